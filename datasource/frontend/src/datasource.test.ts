import type { AnnotationQuery, DataSourceInstanceSettings } from '@grafana/data';
import { DataSourceWithBackend, setTemplateSrv, type TemplateSrv } from '@grafana/runtime';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { BosDatasource } from './datasource';
import type { BosQuery, BosSettings } from './types';

interface Variable {
  name: string;
  current: { value: string | string[] };
  options?: string[];
  allValue?: string;
}

/** Fills variables in as Grafana's own service does. */
export function templateSrv(variables: Variable[]): TemplateSrv {
  const replace: TemplateSrv['replace'] = (target = '', scopedVars = {}, format) =>
    target.replace(/\$(\w+)|\$\{(\w+)\}|\[\[(\w+)\]\]/g, (whole, ...names) => {
      const name = names.slice(0, 3).find(Boolean);
      const variable = variables.find((v) => v.name === name);
      const scoped = scopedVars[name]?.value;
      if (scoped === undefined && !variable) {
        return whole;
      }
      let value = scoped ?? variable!.current.value;
      if ([value].flat()[0] === '$__all') {
        if (variable!.allValue) {
          return variable!.allValue;
        }
        value = variable!.options;
      }
      return typeof format === 'function' ? format(value, { name }) : `{${value}}`;
    });
  return { getVariables: () => variables, replace, containsTemplate: vi.fn(), updateTimeRange: vi.fn() } as never;
}

const newDatasource = () =>
  new BosDatasource({ uid: 'b', type: 'bosexporter-bos-datasource' } as DataSourceInstanceSettings<BosSettings>);

describe('variables', () => {
  beforeEach(() =>
    setTemplateSrv(
      templateSrv([
        { name: 'one', current: { value: 'a' } },
        { name: 'many', current: { value: ['a', 'b,c', '{d}'] } },
        { name: 'two', current: { value: ['x', 'y'] } },
        { name: 'all', current: { value: ['$__all'] }, options: ['a', 'b'] },
        { name: 'allOfNone', current: { value: ['$__all'] }, options: [] },
        { name: 'custom', current: { value: '$__all' }, options: ['a'], allValue: 'unfinished' },
        { name: 'promql', current: { value: ['$__all'] }, options: ['a'], allValue: '.*' },
        { name: 'empty', current: { value: '' } },
        { name: 'none', current: { value: [] } },
        { name: 'field', current: { value: 'node' } },
      ]),
    ),
  );

  const fill = (query: Partial<BosQuery>, scopedVars = {}) =>
    newDatasource().applyTemplateVariables({ refId: 'A', queryType: 'nodes', ...query }, scopedVars);

  it.each<[string, Partial<BosQuery>, Partial<BosQuery>]>([
    ['are replaced by their value', { session: ['$one'] }, { session: ['a'] }],
    ['are replaced in every list', { phase: ['$one'], state: ['${one}'] }, { phase: ['a'], state: ['a'] }],
    ['make an element per value', { bootset: ['$many', 'z'] }, { bootset: ['a', 'b,c', '{d}', 'z'] }],
    [
      'multiply the text around them',
      { template: ['$two-[[two]].1'] },
      { template: ['x-x.1', 'x-y.1', 'y-x.1', 'y-y.1'] },
    ],
    ['that stand on All empty the filter', { bootset: ['z', '$all'] }, { bootset: [] }],
    ['that stand on All empty the session filter', { session: ['$all'] }, { session: [] }],
    ['that stand on a custom All have its value', { session: ['$custom'] }, { session: ['unfinished'] }],
    ['that are empty select no session', { session: ['$empty'] }, { session: [''] }],
    ['without values select no session', { session: ['$none', '$empty'] }, { session: [''] }],
    ['that stand on All of no values select no session', { session: ['$allOfNone'] }, { session: [''] }],
    ['that are empty add nothing to other sessions', { session: ['$empty', 's'] }, { session: ['s'] }],
    ['that are empty select the sessions without a tenant', { tenant: ['$empty'] }, { tenant: [''] }],
    ['that are empty select the sessions without a template', { template: ['$empty'] }, { template: [''] }],
    ['without values select the sessions without a tenant', { tenant: ['$none'] }, { tenant: [''] }],
    ['leave an empty tenant among others', { tenant: ['', '$one'] }, { tenant: ['', 'a'] }],
    ['that stand on All take every tenant', { tenant: ['$all'] }, { tenant: [] }],
    ['that stand on the All of PromQL take every tenant', { tenant: ['$promql'] }, { tenant: [] }],
    ['that are empty do not filter by anything else', { category: ['$empty'] }, { category: [] }],
    ['that are unknown are left to the backend', { session: ['$unknown'] }, { session: ['$unknown'] }],
    ['make a list of node patterns', { node: '$two*' }, { node: 'x*,y*' }],
    ['that stand on All take every node', { node: '$all' }, { node: '' }],
    ['without values take every node', { node: '$none' }, { node: '' }],
    ['may stand alone, without a list', { session: '$two' as never }, { session: ['x', 'y'] }],
    ['can be the field', { field: '$field' as never }, { field: 'node' }],
  ])('%s', (_, query, filled) => {
    expect(fill(query)).toEqual({ refId: 'A', queryType: 'nodes', ...filled });
  });

  it('have the value of the repeated panel while they stand on All', () => {
    expect(fill({ session: ['$all'] }, { all: { text: 'b', value: 'b' } }).session).toEqual(['b']);
  });

  it.each([
    ['Grafana 11 and later', { __searchFilter: { text: 'gpu', value: 'gpu' } }, 'gpu'],
    ['earlier Grafana', { searchFilter: { text: 'gpu', value: 'gpu' } }, 'gpu'],
    ['a drop-down into which nothing is typed', {}, ''],
  ])('search for what is typed, in %s', (_, scopedVars, search) => {
    const filled = fill({ queryType: 'values', search: '$__searchFilter', node: '${__searchFilter}*' }, scopedVars);
    expect(filled).toMatchObject({ search, node: `${search}*` });
  });

  it('tell links of the Prometheus of the dashboard, where there is one', () => {
    expect(fill({})).not.toHaveProperty('prometheus');
    expect(fill({}, { prometheus: { text: 'P', value: 'p' } }).prometheus).toBe('p');
  });

  it('leave the query itself as it is', () => {
    const query: BosQuery = { refId: 'A', session: ['$one'] };
    newDatasource().applyTemplateVariables(query, {});
    expect(query.session).toEqual(['$one']);
  });
});

describe('queries', () => {
  const datasource = newDatasource();

  it('run only with a type', () => {
    expect(datasource.filterQuery({ refId: 'A' })).toBe(false);
    expect(datasource.filterQuery({ refId: 'A', queryType: 'sessions' })).toBe(true);
  });

  it('start with something useful', () => {
    expect(datasource.getDefaultQuery()).toEqual({ queryType: 'sessions' });
    expect(datasource.variables.getDefaultQuery()).toEqual({ queryType: 'values', field: 'session' });
  });

  it('start with a timeline in annotations', () => {
    const prepare = (annotation: object) => datasource.annotations.prepareAnnotation!(annotation);
    expect(prepare({ name: 'n' })).toEqual({ name: 'n', target: { refId: 'Anno', queryType: 'timeline' } });
    const chosen = { target: { refId: 'Anno', queryType: 'errors' } } as AnnotationQuery<BosQuery>;
    expect(prepare(chosen)).toBe(chosen);
  });

  it('are told in a line', () => {
    expect(
      datasource.getQueryDisplayText({
        refId: 'A',
        queryType: 'nodes',
        session: ['latest', '$s'],
        phase: [],
        category: ['failed'],
        node: 'x1*',
      }),
    ).toBe('nodes session=latest,$s category=failed node=x1*');
  });
});

describe('pick lists', () => {
  it('are narrowed by the other filters and what is typed', async () => {
    setTemplateSrv(templateSrv([{ name: 's', current: { value: ['1', '2'] } }]));
    const getResource = vi.spyOn(DataSourceWithBackend.prototype, 'getResource').mockResolvedValue([]);
    await newDatasource().getOptions('bootset', 'comp', {
      refId: 'A',
      queryType: 'nodes',
      session: ['$s'],
      tenant: ['blue'],
      template: ['t'],
      bootset: ['own'],
      phase: ['boot'],
    });
    expect(getResource).toHaveBeenCalledWith(
      'bootsets',
      { q: 'comp', session: ['1', '2'], tenant: ['blue'], template: ['t'] },
      { showErrorAlert: false },
    );
  });
});
