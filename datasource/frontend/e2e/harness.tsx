// The page around the built plugin: what Grafana gives to a plugin, on a page of its own.
import * as data from '@grafana/data';
import * as ui from '@grafana/ui';
import React, { useState } from 'react';
import { createRoot } from 'react-dom/client';

declare const System: { set(id: string, module: object): void; import(id: string): Promise<{ plugin: Plugin }> };
declare global {
  interface Window {
    /** What the editor on the page has come to. */
    edited: unknown;
    edit(editor: 'QueryEditor' | 'ConfigEditor', start: object): Promise<void>;
    fillIn(query: object): Promise<object>;
  }
}

interface Plugin {
  DataSourceClass: new (settings: object) => { applyTemplateVariables(query: object, scopedVars: object): object };
  components: Record<'QueryEditor' | 'ConfigEditor', React.ComponentType<Record<string, unknown>>>;
}

const variable = { name: 'session', current: { value: ['one', 'two'] } };

const runtime = {
  config: { secureSocksDSProxyEnabled: false },
  getTemplateSrv: () => ({
    getVariables: () => [variable],
    replace: (text: string, _: object, format: (value: string[], variable: object) => string) =>
      text.replace('$session', () => format(variable.current.value, variable)),
  }),
  DataSourceWithBackend: class extends data.DataSourceApi {
    query = () => Promise.resolve({ data: [] });
    testDatasource = () => Promise.resolve({ status: 'success', message: '' });
    async getResource(path: string, params: Record<string, string | string[]>) {
      const search = new URLSearchParams();
      Object.entries(params).forEach(([name, values]) =>
        [values].flat().forEach((value) => search.append(name, value)),
      );
      const answer = await fetch(`/resources/${path}?${search}`);
      const body = await answer.json();
      if (!answer.ok) {
        throw { status: answer.status, statusText: answer.statusText, data: body };
      }
      return body;
    }
  },
};

const provided = { react: React, '@grafana/data': data, '@grafana/ui': ui, '@grafana/runtime': runtime };
Object.entries(provided).forEach(([name, module]) => System.set(`${location.origin}/provided/${name}`, module));

const page = document.getElementById('page')!;
let root = createRoot(page);

const load = async () => {
  const { plugin } = await System.import('/dist/module.js');
  return { plugin, datasource: new plugin.DataSourceClass({ uid: 'b', jsonData: {} }) };
};

window.edit = async (editor, start) => {
  const { plugin, datasource } = await load();
  const Editor = plugin.components[editor];
  function Page() {
    const [edited, setEdited] = useState(start);
    window.edited = edited;
    const props =
      editor === 'QueryEditor'
        ? { app: 'explore', datasource, query: edited, onChange: setEdited, onRunQuery: () => {} }
        : { options: edited, onOptionsChange: setEdited };
    return (
      <ui.ThemeContext.Provider value={data.createTheme({ colors: { mode: 'dark' } })}>
        <ui.GlobalStyles />
        <Editor {...props} />
      </ui.ThemeContext.Provider>
    );
  }
  root.unmount();
  root = createRoot(page);
  root.render(<Page />);
};

window.fillIn = async (query) => (await load()).datasource.applyTemplateVariables(query, {});
