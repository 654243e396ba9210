import type { DataQuery, DataSourceJsonData, SelectableValue } from '@grafana/data';

export type ListFilter = 'session' | 'bootset' | 'phase' | 'category' | 'template' | 'operation' | 'state';
export type Filter = ListFilter | 'node';
export type Field = 'session' | 'bootset' | 'phase' | 'category' | 'template' | 'node';
export type QueryType =
  | 'sessions'
  | 'bootsets'
  | 'phases'
  | 'nodes'
  | 'counts'
  | 'errors'
  | 'retry'
  | 'offenders'
  | 'overlaps'
  | 'timeline'
  | 'values';

/**
 * What the backend is asked. A filter that is empty or missing takes everything. Written
 * by hand, a list filter may also be a single string.
 */
export interface BosQuery extends DataQuery, Partial<Record<ListFilter, string[]>> {
  queryType?: QueryType;
  /** What a query of type values lists; or what a timeline shows, where none is both sessions and phases. */
  field?: Field;
  /** A glob such as x1000c*, or several with commas between them. */
  node?: string;
  limit?: number;
  /** Ask BOS itself, whatever is cached. */
  fresh?: boolean;
}

/** The filters and fields that each query type knows; all types know limit and fresh. */
export const queryTypes: Record<
  QueryType,
  { label: string; description: string; filters: Filter[]; fields?: Array<SelectableValue<Field>> }
> = {
  sessions: {
    label: 'Sessions',
    description: 'One row per session: its state, times and numbers of nodes',
    filters: ['session', 'bootset', 'phase', 'category', 'node', 'template', 'operation', 'state'],
  },
  bootsets: {
    label: 'Boot sets',
    description: 'One row per boot set of a session, with its nodes by category',
    filters: ['session', 'bootset', 'template', 'operation', 'state'],
  },
  phases: {
    label: 'Phases',
    description: 'One row per phase of a boot set, with its nodes by category',
    filters: ['session', 'bootset', 'phase', 'template', 'operation', 'state'],
  },
  nodes: {
    label: 'Nodes',
    description: 'The nodes by name: phase, category, place in the machine and error',
    filters: ['session', 'bootset', 'phase', 'category', 'node', 'template', 'operation', 'state'],
  },
  counts: {
    label: 'Counts',
    description: 'How many nodes are in each category, for alert rules and expressions',
    filters: ['session', 'bootset', 'phase', 'category', 'node', 'template', 'operation', 'state'],
  },
  errors: {
    label: 'Errors',
    description: 'The error texts, each with the nodes that it hit',
    filters: ['session', 'bootset', 'phase', 'node', 'template', 'operation', 'state'],
  },
  retry: {
    label: 'Retry lists',
    description: 'The nodes of a session to try again, and the line that does it',
    filters: ['session', 'bootset', 'phase', 'node', 'template', 'operation', 'state'],
  },
  offenders: {
    label: 'Offenders',
    description: 'The nodes that failed in the most sessions, worst first',
    filters: ['session', 'bootset', 'phase', 'node', 'template', 'operation', 'state'],
  },
  overlaps: {
    label: 'Overlaps',
    description: 'The nodes that two sessions hold at once, for each two sessions',
    filters: ['session', 'bootset', 'node', 'template', 'operation', 'state'],
  },
  timeline: {
    label: 'Timeline',
    description: 'Start and stop of sessions and phases, for annotations and state timelines',
    filters: ['session', 'bootset', 'phase', 'template', 'operation', 'state'],
    fields: [
      { value: undefined, label: 'Sessions and phases' },
      { value: 'session', label: 'Sessions' },
      { value: 'phase', label: 'Phases' },
    ],
  },
  values: {
    label: 'Values',
    description: 'The values of one field, for dashboard variables',
    filters: ['session', 'bootset', 'phase', 'category', 'template', 'operation', 'state'],
    fields: [
      { value: 'session', label: 'Sessions' },
      { value: 'bootset', label: 'Boot sets' },
      { value: 'phase', label: 'Phases' },
      { value: 'category', label: 'Categories' },
      { value: 'template', label: 'Templates' },
      { value: 'node', label: 'Nodes' },
    ],
  },
};

const fixed = (...values: string[]): Array<SelectableValue<string>> =>
  values.map((value) => ({ value, label: value.replace('_', ' ') }));

/** How the editor offers a list filter: values that are always there, and where to ask for more. */
export const listFilters: Record<
  ListFilter,
  {
    label: string;
    help: string;
    options: Array<SelectableValue<string>>;
    resource?: 'sessions' | 'bootsets' | 'phases' | 'categories' | 'templates';
  }
> = {
  session: {
    label: 'Session',
    help: 'Session ids, or latest, running or unfinished. Without any: the sessions that overlap the time range.',
    options: [
      { value: 'latest', label: 'latest', description: 'The one that started last before the end of the time range' },
      { value: 'running', label: 'running', description: 'Sessions at work' },
      { value: 'unfinished', label: 'unfinished', description: 'Sessions that have not ended, stuck ones too' },
    ],
    resource: 'sessions',
  },
  bootset: {
    label: 'Boot set',
    help: 'Boot sets as the session template names them, such as compute.',
    options: [],
    resource: 'bootsets',
  },
  phase: {
    label: 'Phase',
    help: 'What BOS does to the nodes, one phase after the other.',
    options: fixed('shutdown', 'boot', 'configure'),
    resource: 'phases',
  },
  category: {
    label: 'Category',
    help: 'How far nodes are in a phase. A node may be in two categories at once.',
    options: fixed('not_started', 'in_progress', 'succeeded', 'failed', 'excluded'),
    resource: 'categories',
  },
  template: {
    label: 'Template',
    help: 'Session templates that sessions were made from.',
    options: [],
    resource: 'templates',
  },
  operation: {
    label: 'Operation',
    help: 'What sessions were asked to do.',
    options: fixed('boot', 'configure', 'reboot', 'shutdown'),
  },
  state: {
    label: 'State',
    help: 'The effective state, which takes into account that BOS can leave a session unfinished for ever.',
    options: fixed('pending', 'running', 'stuck', 'succeeded', 'partial', 'failed', 'abandoned', 'unknown'),
  },
};

/** The settings of an instance, beside those that Grafana's own HTTP settings keep. */
export interface BosSettings extends DataSourceJsonData {
  api?: 'auto' | 'v1';
  tenant?: string;
  cacheSeconds?: number;
  maxRows?: number;
  oauth2?: { tokenUrl?: string; clientId?: string; scopes?: string[] };
}

export interface BosSecrets {
  bearerToken?: string;
  oauth2ClientSecret?: string;
}
