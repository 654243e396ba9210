import {
  DataSourceVariableSupport,
  type AnnotationQuery,
  type AnnotationSupport,
  type DataSourceInstanceSettings,
  type ScopedVars,
  type SelectableValue,
} from '@grafana/data';
import { DataSourceWithBackend, getTemplateSrv } from '@grafana/runtime';

import { listFilters, queryTypes, type BosQuery, type BosSettings, type ListFilter } from './types';

export class BosDatasource extends DataSourceWithBackend<BosQuery, BosSettings> {
  annotations: AnnotationSupport<BosQuery> = {
    prepareAnnotation: (annotation: AnnotationQuery<BosQuery>) =>
      annotation.target?.queryType
        ? annotation
        : { ...annotation, target: { refId: 'Anno', ...annotation.target, queryType: 'timeline' } },
  };
  variables = new BosVariables();

  // Grafana 9 tells from the number of parameters that this is not an Angular plugin.
  constructor(settings: DataSourceInstanceSettings<BosSettings>) {
    super(settings);
  }

  getDefaultQuery(): Partial<BosQuery> {
    return { queryType: 'sessions' };
  }

  filterQuery(query: BosQuery): boolean {
    return Boolean(query.queryType);
  }

  getQueryDisplayText(query: BosQuery): string {
    const filters = [...listFilterNames, 'node' as const, 'search' as const]
      .filter((name) => query[name]?.length)
      .map((name) => `${name}=${query[name]}`);
    return [query.queryType, query.field, ...filters].filter(Boolean).join(' ');
  }

  applyTemplateVariables(query: BosQuery, vars: ScopedVars): BosQuery {
    const filled = { ...query };
    const scopedVars = withSearchFilter(vars);
    for (const name of listFilterNames) {
      if (query[name]) {
        filled[name] = fillList(name, query[name], scopedVars);
      }
    }
    for (const name of ['node', 'search', 'field'] as const) {
      if (query[name]) {
        filled[name] = (fillIn(query[name], scopedVars) ?? []).filter(Boolean).join(',') as never;
      }
    }
    const [prometheus] = fillIn(prometheusVariable, scopedVars) ?? [];
    if (prometheus !== prometheusVariable) {
      filled.prometheus = prometheus;
    }
    return filled;
  }

  /** The values that a list filter can have, given the other filters of the query. */
  async getOptions(name: ListFilter, typed: string, query: BosQuery): Promise<Array<SelectableValue<string>>> {
    const params: Record<string, string | string[]> = { q: typed };
    for (const other of ['session', 'tenant', 'template', 'bootset'] as const) {
      if (other !== name && query[other]?.length && queryTypes[query.queryType!].filters.includes(other)) {
        params[other] = fillList(other, query[other], {});
      }
    }
    // The editor shows errors itself, so Grafana need not pop them up.
    return this.getResource(listFilters[name].resource!, params, { showErrorAlert: false });
  }
}

/** Variables are edited with the query editor. */
class BosVariables extends DataSourceVariableSupport<BosDatasource, BosQuery, BosSettings> {
  getDefaultQuery(): Partial<BosQuery> {
    return { queryType: 'values', field: 'session' };
  }
}

const prometheusVariable = '$prometheus';

const listFilterNames = Object.keys(listFilters) as ListFilter[];

function fillList(name: ListFilter, entries: string | string[], scopedVars: ScopedVars): string[] {
  const filled = [entries].flat().map((entry) => fillIn(entry, scopedVars));
  if (filled.includes(undefined)) {
    return [];
  }
  // PromQL needs a custom All of variables that it shares with queries of this datasource.
  const all = filled.flatMap((list) => list!);
  if (all.includes('.*')) {
    return [];
  }
  // An empty tenant or template is that of sessions without one.
  const values = all.filter((value) => value !== '' || name === 'tenant');
  // An empty list would take every session, where an empty variable means none.
  return ['session', 'tenant', 'template'].includes(name) && entries.length > 0 && values.length === 0 ? [''] : values;
}

/**
 * Makes $__searchFilter what is typed into the drop-down of a variable, or nothing
 * before anything is. Dashboards without scenes, before Grafana 11, call it searchFilter.
 */
function withSearchFilter(vars: ScopedVars): ScopedVars {
  const typed = vars.__searchFilter ?? vars.searchFilter ?? { text: '', value: '' };
  return { ...vars, __searchFilter: typed };
}

/**
 * Fills in variables. A variable with several values gives several texts, and one set
 * to All gives undefined.
 */
function fillIn(text: string, scopedVars: ScopedVars): string[] | undefined {
  const mark = '\u0000';
  const found: string[][] = [];
  let all = false;
  const marked = getTemplateSrv().replace(text, scopedVars, (value: string | string[], variable: { name?: string }) => {
    // In a repeated panel or row the variable is still set to All, but has a single value.
    all ||= Array.isArray(value) && value.length > 0 && isSetToAll(variable.name);
    found.push([value].flat());
    return mark;
  });
  if (all) {
    return undefined;
  }
  const [start, ...rest] = marked.split(mark);
  return rest.reduce((texts, end, i) => texts.flatMap((t) => found[i].map((value) => t + value + end)), [start]);
}

function isSetToAll(name?: string): boolean {
  const variable = getTemplateSrv()
    .getVariables()
    .find((v) => v.name === name) as { current?: { value?: string | string[] } } | undefined;
  return [variable?.current?.value].flat().includes('$__all');
}
