import { DataSourcePlugin } from '@grafana/data';

import { ConfigEditor } from './ConfigEditor';
import { BosDatasource } from './datasource';
import { QueryEditor } from './QueryEditor';
import type { BosQuery, BosSecrets, BosSettings } from './types';

export const plugin = new DataSourcePlugin<BosDatasource, BosQuery, BosSettings, BosSecrets>(BosDatasource)
  .setConfigEditor(ConfigEditor)
  .setQueryEditor(QueryEditor);
