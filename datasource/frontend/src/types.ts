import type { DataQuery, DataSourceJsonData, SelectableValue } from '@grafana/data';

// What the backend knows; a test of the backend keeps it current.
import known from './queryTypes.json';

export type ListFilter =
  'session' | 'tenant' | 'bootset' | 'phase' | 'category' | 'template' | 'operation' | 'state' | 'enabled';
export type TextFilter = 'node' | 'search';
export type Filter = ListFilter | TextFilter;
export type Field =
  | 'session'
  | 'bootset'
  | 'phase'
  | 'category'
  | 'template'
  | 'node'
  | 'tenant'
  | 'cabinet'
  | 'chassis'
  | 'slot'
  | 'bmc'
  | 'cabinet/chassis'
  | 'cabinet/slot'
  | 'chassis/slot'
  | 'chassis/node'
  | 'slot/node';
export type QueryType = keyof typeof known;

/**
 * What the backend is asked. An empty or missing filter matches everything. In queries
 * written by hand a list filter may also be a single string.
 */
export interface BosQuery extends DataQuery, Partial<Record<ListFilter, string[]>> {
  queryType?: QueryType;
  /**
   * What a values query lists, the places that have a row, the rows and cells of a map, or what
   * a timeline shows: without one, both sessions and phases.
   */
  field?: Field;
  /** A glob pattern such as x1000c* or a folded list of nodes, or several separated by commas. */
  node?: string;
  /** Words that the values of a values query must contain. */
  search?: string;
  limit?: number;
  /** Bypass the cache and read from BOS. */
  fresh?: boolean;
  /** The Prometheus that the dashboard shows, for links to other dashboards. */
  prometheus?: string;
}

const texts: Record<QueryType, { label: string; description: string }> = {
  sessions: {
    label: 'Sessions',
    description: 'One row per session: state, times and numbers of nodes',
  },
  templates: {
    label: 'Templates',
    description: 'One row per template and operation: how its sessions fared and how long they took',
  },
  bootsets: {
    label: 'Boot sets',
    description: 'One row per boot set of a session, with its nodes by category',
  },
  phases: {
    label: 'Phases',
    description: 'One row per phase of a boot set, with its nodes by category',
  },
  nodes: {
    label: 'Nodes',
    description: 'The nodes by name: phase, category, place in the machine and error',
  },
  counts: {
    label: 'Counts',
    description: 'Number of nodes in each category, for alert rules and expressions',
  },
  errors: {
    label: 'Errors',
    description: 'Error messages, each with the nodes affected',
  },
  retry: {
    label: 'Retry lists',
    description: 'The nodes of a session to retry, and the command that does it',
  },
  offenders: {
    label: 'Offenders',
    description: 'Nodes by the number of sessions in which they failed',
  },
  overlaps: {
    label: 'Overlaps',
    description: 'Nodes held by two sessions at once, for each pair of sessions',
  },
  places: {
    label: 'Places',
    description: 'Cabinets, chassis, slots, BMCs or nodes: what became of the nodes there, each by its newest session',
  },
  map: {
    label: 'Map',
    description: 'The machine as a picture: what became of the nodes, each by its newest session',
  },
  offenders_map: {
    label: 'Map of offenders',
    description: 'The machine as a picture: the number of sessions in which nodes failed',
  },
  components_map: {
    label: 'Map of components',
    description: 'The machine as a picture: what BOS v2 is doing to each node now',
  },
  timeline: {
    label: 'Timeline',
    description: 'Start and stop of sessions and phases, for annotations and state timelines',
  },
  components: {
    label: 'Components',
    description: 'The machine as it is now, node by node: what BOS v2 is doing to each',
  },
  values: {
    label: 'Values',
    description: 'The values of one field, for dashboard variables',
  },
};

const fieldLabels: Record<Field, string> = {
  session: 'Sessions',
  bootset: 'Boot sets',
  phase: 'Phases',
  category: 'Categories',
  template: 'Templates',
  node: 'Nodes',
  tenant: 'Tenants',
  cabinet: 'Cabinets',
  chassis: 'Chassis',
  slot: 'Slots',
  bmc: 'BMCs',
  'cabinet/chassis': 'Cabinets by chassis',
  'cabinet/slot': 'Cabinets by slot',
  'chassis/slot': 'Chassis by slot',
  'chassis/node': 'Chassis by node',
  'slot/node': 'Slots by node',
};

interface QueryTypeInfo {
  label: string;
  description: string;
  filters: Filter[];
  fields?: Array<SelectableValue<Field>>;
  /** Set if the type is about the machine as it is now, not about sessions. */
  ofMachine?: boolean;
}

const fieldOption = (field: string): SelectableValue<Field> =>
  field === ''
    ? { value: undefined, label: 'Sessions and phases' }
    : { value: field as Field, label: fieldLabels[field as Field] };

/** The query types in the order of the editor. Every type knows limit and fresh. */
export const queryTypes = Object.fromEntries(
  Object.entries(texts).map(([name, text]) => {
    const { filters, fields, ofMachine }: { filters: string[]; fields?: string[]; ofMachine?: boolean } =
      known[name as QueryType];
    return [name, { ...text, filters: filters as Filter[], fields: fields?.map(fieldOption), ofMachine }];
  }),
) as Record<QueryType, QueryTypeInfo>;

const fixed = (...values: string[]): Array<SelectableValue<string>> =>
  values.map((value) => ({ value, label: value.replaceAll('_', ' ') }));

/** How the editor offers a list filter: values that are always there, and the resource that has more. */
export const listFilters: Record<
  ListFilter,
  {
    label: string;
    help: string;
    options: Array<SelectableValue<string>>;
    resource?: 'sessions' | 'tenants' | 'bootsets' | 'phases' | 'categories' | 'templates';
  }
> = {
  session: {
    label: 'Session',
    help: 'Session ids, or the selectors latest, running and unfinished. If empty, the sessions that overlap the time range.',
    options: [
      { value: 'latest', label: 'latest', description: 'The last session to start before the end of the time range' },
      { value: 'running', label: 'running', description: 'Sessions in progress' },
      { value: 'unfinished', label: 'unfinished', description: 'Sessions that have not ended, including stuck ones' },
    ],
    resource: 'sessions',
  },
  tenant: {
    label: 'Tenant',
    help: 'Tenants that own the sessions. BOS v1 has none.',
    options: [],
    resource: 'tenants',
  },
  bootset: {
    label: 'Boot set',
    help: 'Boot sets as named in the session template, such as compute.',
    options: [],
    resource: 'bootsets',
  },
  phase: {
    label: 'Phase',
    help: 'Steps that BOS takes the nodes through, one after the other.',
    options: fixed('shutdown', 'boot', 'configure'),
    resource: 'phases',
  },
  category: {
    label: 'Category',
    help: 'How far nodes are in a phase. A node can be in two categories at once.',
    options: fixed('not_started', 'in_progress', 'succeeded', 'failed', 'excluded', 'on_hold', 'superseded'),
    resource: 'categories',
  },
  template: {
    label: 'Template',
    help: 'Session templates that sessions were created from.',
    options: [],
    resource: 'templates',
  },
  operation: {
    label: 'Operation',
    help: 'Operations that sessions perform.',
    options: fixed('boot', 'configure', 'reboot', 'shutdown'),
  },
  state: {
    label: 'State',
    help: 'The effective state, which allows for sessions that BOS leaves unfinished forever.',
    options: fixed('pending', 'running', 'stuck', 'succeeded', 'partial', 'failed', 'abandoned', 'unknown'),
  },
  enabled: {
    label: 'Enabled',
    help: 'Whether BOS acts on the node. It disables a node that is done, or that it has given up.',
    options: fixed('true', 'false'),
  },
};

/** What a query about the machine offers in place of that: it knows names of sessions, and statuses of nodes. */
export const machineFilters: Partial<Record<ListFilter, Partial<(typeof listFilters)[ListFilter]>>> = {
  session: { help: 'Sessions that act on the node, have acted on it last, or are staged for it.', options: [] },
  state: {
    help: 'What BOS is doing to the node, or what has become of it.',
    options: fixed(
      'failed',
      'on_hold',
      'stable',
      'configuring',
      'power_on_pending',
      'power_on_called',
      'power_off_pending',
      'power_off_gracefully_called',
      'power_off_forcefully_called',
    ),
  },
};

/** How the editor offers a filter that is a text. */
export const textFilters: Record<TextFilter, { label: string; help: string }> = {
  node: {
    label: 'Node',
    help: 'A pattern such as x1000c*, or several separated by commas: * matches any text, ? any character, [0-3] any of several, [8-12] any number from 8 to 12.',
  },
  search: {
    label: 'Search',
    help: 'Words that each value must contain. $__searchFilter stands for what is typed into the drop-down of the variable.',
  },
};

/** The settings of an instance, in addition to Grafana's own HTTP settings. */
export interface BosSettings extends DataSourceJsonData {
  api?: 'auto' | 'v1' | 'v2';
  tenant?: string;
  cacheSeconds?: number;
  maxRows?: number;
  /** Durations such as 10m or 168h. */
  stuckShutdown?: string;
  stuckOther?: string;
  stuckAbandoned?: string;
  sessionsMaxAge?: string;
  oauth2?: { tokenUrl?: string; clientId?: string; scopes?: string[] };
}

export interface BosSecrets {
  bearerToken?: string;
  oauth2ClientSecret?: string;
}
