import type { DataSourceInstanceSettings, DataSourceSettings } from '@grafana/data';
import { CoreApp } from '@grafana/data';
import { setTemplateSrv } from '@grafana/runtime';
import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React, { useState } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { ConfigEditor } from './ConfigEditor';
import { BosDatasource } from './datasource';
import { QueryEditor, withType } from './QueryEditor';
import {
  listFilters,
  queryTypes,
  textFilters,
  type BosQuery,
  type BosSecrets,
  type BosSettings,
  type Filter,
  type ListFilter,
  type QueryType,
  type TextFilter,
} from './types';

const user = userEvent.setup();

const everything: BosQuery = {
  refId: 'A',
  queryType: 'nodes',
  hide: true,
  session: ['latest'],
  tenant: ['blue'],
  bootset: ['compute'],
  phase: ['boot'],
  category: ['failed'],
  template: ['t'],
  operation: ['boot'],
  state: ['failed'],
  enabled: ['true'],
  node: 'x1*',
  search: 's',
  limit: 5,
  fresh: true,
};

describe('a change of the query type', () => {
  it.each<[QueryType, string]>([
    ['sessions', 'session,tenant,bootset,phase,category,template,operation,state,node'],
    ['templates', 'session,tenant,template,operation,state'],
    ['bootsets', 'session,tenant,bootset,template,operation,state'],
    ['phases', 'session,tenant,bootset,phase,template,operation,state,node'],
    ['nodes', 'session,tenant,bootset,phase,category,template,operation,state,node'],
    ['counts', 'session,tenant,bootset,phase,category,template,operation,state,node'],
    ['errors', 'session,tenant,bootset,phase,template,operation,state,node'],
    ['retry', 'session,tenant,bootset,phase,template,operation,state,node'],
    ['offenders', 'session,tenant,bootset,phase,template,operation,state,node'],
    ['timeline', 'session,tenant,bootset,phase,template,operation,state'],
    ['overlaps', 'session,tenant,bootset,template,operation,state,node'],
    ['components', 'session,state,enabled,node'],
    ['places', 'session,tenant,bootset,phase,category,template,operation,state,node'],
    ['map', 'session,tenant,bootset,phase,category,template,operation,state,node'],
    ['offenders_map', 'session,tenant,bootset,phase,template,operation,state,node'],
    ['components_map', 'session,state,enabled,node'],
    ['values', 'session,tenant,bootset,phase,category,template,operation,state,node,search'],
  ])('to %s keeps %s', (queryType, kept) => {
    const changed = withType(everything, queryType);
    const filters = [...Object.keys(listFilters), ...Object.keys(textFilters)] as Filter[];
    expect(filters.filter((name) => changed[name]).join()).toBe(kept);
    expect(changed).toMatchObject({ refId: 'A', queryType, hide: true, limit: 5, fresh: true });
  });

  it('chooses a field that the type has', () => {
    expect(withType(everything, 'values').field).toBe('session');
    expect(withType({ ...everything, field: 'node' }, 'timeline').field).toBeUndefined();
    expect(withType({ ...everything, field: 'phase' }, 'timeline').field).toBe('phase');
    expect(withType({ ...everything, field: 'phase' }, 'nodes').field).toBeUndefined();
    expect(withType(everything, 'places').field).toBe('cabinet');
    expect(withType({ ...everything, field: 'chassis/node' }, 'offenders_map').field).toBe('chassis/node');
  });
});

describe('the query editor', () => {
  let query: BosQuery;
  const onRunQuery = vi.fn();
  const getResource = vi.fn();

  function Edit(props: { app?: CoreApp; start: Partial<BosQuery> }) {
    const [datasource] = useState(() => {
      const datasource = new BosDatasource({ uid: 'b' } as DataSourceInstanceSettings<BosSettings>);
      datasource.getResource = getResource;
      return datasource;
    });
    const [now, change] = useState<BosQuery>({ refId: 'A', ...props.start });
    query = now;
    return (
      <QueryEditor app={props.app} datasource={datasource} query={now} onChange={change} onRunQuery={onRunQuery} />
    );
  }

  beforeEach(() => {
    vi.clearAllMocks();
    setTemplateSrv({ getVariables: () => [{ name: 's' }], replace: (text: string) => text } as never);
    getResource.mockResolvedValue([{ value: '11-22', label: '2026-01-01 boot compute, running (11)' }]);
  });

  it.each(Object.keys(queryTypes) as QueryType[])('shows for %s the filters that it knows', (queryType) => {
    render(<Edit app={CoreApp.Explore} start={{ queryType }} />);
    const { filters } = queryTypes[queryType];
    for (const name of Object.keys(listFilters) as ListFilter[]) {
      expect(screen.queryAllByLabelText(listFilters[name].label)).toHaveLength(filters.includes(name) ? 1 : 0);
    }
    for (const name of Object.keys(textFilters) as TextFilter[]) {
      expect(screen.queryAllByLabelText(textFilters[name].label)).toHaveLength(filters.includes(name) ? 1 : 0);
    }
  });

  it.each([
    [CoreApp.Explore, { queryType: 'sessions' }],
    [undefined, { queryType: 'values', field: 'session' }],
  ])('starts in the app %s with something useful', (app, started) => {
    render(<Edit app={app} start={{}} />);
    expect(query).toEqual({ refId: 'A', ...started });
  });

  it('takes selectors, variables, found values and free text', async () => {
    render(<Edit app={CoreApp.Explore} start={{ queryType: 'nodes' }} />);
    const session = screen.getByLabelText('Session');
    await user.click(session);
    await user.click(await screen.findByText('latest'));
    await user.click(session);
    await user.click(await screen.findByText('$s'));
    await user.type(session, 'compute boot');
    await user.click(await screen.findByText(/boot compute, running/));
    await user.type(session, 'own id{Enter}');
    expect(query.session).toEqual(['latest', '$s', '11-22', 'own id']);
    expect(onRunQuery).toHaveBeenCalledTimes(4);
    await user.click(screen.getAllByLabelText('Remove')[0]);
    expect(query.session).toEqual(['$s', '11-22', 'own id']);
  });

  it('asks once for what is typed fast', async () => {
    render(<Edit app={CoreApp.Explore} start={{ queryType: 'nodes' }} />);
    await user.type(screen.getByLabelText('Boot set'), 'compute');
    await waitFor(() => expect(getResource).toHaveBeenLastCalledWith('bootsets', { q: 'compute' }, expect.anything()));
    expect(getResource.mock.calls.length).toBeLessThanOrEqual(2); // the open list and the typed text
  });

  it('says why there is nothing to pick from, and takes what is typed', async () => {
    getResource.mockRejectedValue({ status: 502, data: { message: 'BOS does not answer' } });
    render(<Edit app={CoreApp.Explore} start={{ queryType: 'bootsets' }} />);
    const bootset = screen.getByLabelText('Boot set');
    await user.type(bootset, 'compute');
    await screen.findByText(/BOS does not answer/);
    await user.type(bootset, '{Enter}');
    expect(query.bootset).toEqual(['compute']);
  });

  it('edits what was written by hand', async () => {
    render(<Edit app={CoreApp.Explore} start={{ queryType: 'none' as never, session: 'latest' as never }} />);
    await user.type(screen.getByLabelText('Query type'), 'Retry{Enter}');
    expect(query.queryType).toBe('retry');
    await user.type(screen.getByLabelText('Session'), 'running{Enter}');
    expect(query.session).toEqual(['latest', 'running']);
  });

  it('drops filters written by hand that the type does not know, at the first edit', async () => {
    render(<Edit app={CoreApp.Explore} start={{ queryType: 'bootsets', node: 'x1*', phase: ['boot'] }} />);
    await user.type(screen.getByLabelText('Limit'), '5');
    expect(query).toEqual({ refId: 'A', queryType: 'bootsets', limit: 5 });
  });

  it.each<QueryType>(['components', 'components_map'])(
    'offers for %s the statuses of nodes, and no selectors',
    async (queryType) => {
      render(<Edit app={CoreApp.Explore} start={{ queryType }} />);
      await user.click(screen.getByLabelText('State'));
      await user.click(await screen.findByText('on hold'));
      await user.click(screen.getByLabelText('Enabled'));
      await user.click(await screen.findByText('false'));
      await user.click(screen.getByLabelText('Session'));
      await screen.findByText(/boot compute, running/);
      expect(screen.queryByText('latest')).toBeNull();
      expect(query).toMatchObject({ state: ['on_hold'], enabled: ['false'] });
    },
  );

  it('takes words to search values for', async () => {
    render(<Edit app={CoreApp.Explore} start={{ queryType: 'values', field: 'node' }} />);
    await user.type(screen.getByLabelText('Search'), 'b1');
    expect(query.search).toBe('b1');
  });

  it('takes limits from 1 on', async () => {
    render(<Edit app={CoreApp.Explore} start={{ queryType: 'nodes' }} />);
    const limit = screen.getByLabelText('Limit');
    await user.type(limit, '-0');
    expect(query.limit).toBeUndefined();
    await user.type(limit, '25');
    expect(query.limit).toBe(25);
  });
});

describe('the config editor', () => {
  type Settings = DataSourceSettings<BosSettings, BosSecrets>;
  let settings: Settings;

  function Configure({ start }: { start: Partial<Settings> }) {
    const [now, change] = useState({ jsonData: {}, secureJsonFields: {}, ...start } as Settings);
    settings = now;
    return <ConfigEditor options={now} onOptionsChange={change} />;
  }

  it('keeps what it does not edit', async () => {
    render(<Configure start={{ url: 'http://bos', jsonData: { tlsSkipVerify: true } as BosSettings }} />);
    await user.type(screen.getByLabelText('Tenant'), 'red');
    await user.type(screen.getByLabelText('OAuth2 client ID'), 'c');
    await user.type(screen.getByLabelText('Cache seconds'), '0');
    expect(settings.jsonData).toEqual({
      tlsSkipVerify: true,
      tenant: 'red',
      oauth2: { clientId: 'c' },
      cacheSeconds: 0,
    });
    await user.clear(screen.getByLabelText('Cache seconds'));
    expect(settings.jsonData.cacheSeconds).toBeUndefined();
  });

  it('chooses the API', async () => {
    render(<Configure start={{}} />);
    await user.click(screen.getByLabelText('v2'));
    expect(settings.jsonData.api).toBe('v2');
  });

  it('takes durations', async () => {
    render(<Configure start={{}} />);
    await user.type(screen.getByLabelText('Stuck in shutdown'), '15m');
    await user.type(screen.getByLabelText('Stuck in other phases'), '2h');
    await user.type(screen.getByLabelText('Abandoned after'), '48h');
    await user.type(screen.getByLabelText('Maximum session age'), '0');
    expect(settings.jsonData).toEqual({
      stuckShutdown: '15m',
      stuckOther: '2h',
      stuckAbandoned: '48h',
      sessionsMaxAge: '0',
    });
    await user.clear(screen.getByLabelText('Stuck in shutdown'));
    expect(settings.jsonData.stuckShutdown).toBeUndefined();
  });

  it('forgets a stored secret when it is reset', async () => {
    render(<Configure start={{ secureJsonFields: { bearerToken: true, basicAuthPassword: true } }} />);
    expect(screen.getByLabelText('Bearer token')).toHaveProperty('disabled', true);
    await user.click(screen.getByText('Reset'));
    expect(settings.secureJsonFields).toEqual({ bearerToken: false, basicAuthPassword: true });
    expect(settings.secureJsonData).toEqual({ bearerToken: '' });
    await user.type(screen.getByLabelText('Bearer token'), 'new');
    expect(settings.secureJsonData).toEqual({ bearerToken: 'new' });
  });

  it('can be read only', () => {
    render(<Configure start={{ readOnly: true }} />);
    for (const label of [
      'Tenant',
      'Bearer token',
      'OAuth2 token URL',
      'OAuth2 client secret',
      'Cache seconds',
      'Maximum rows',
      'Stuck in other phases',
      'Maximum session age',
    ]) {
      expect(screen.getByLabelText(label)).toHaveProperty('disabled', true);
    }
    expect(screen.getByLabelText('Automatic')).toHaveProperty('disabled', true);
  });
});
