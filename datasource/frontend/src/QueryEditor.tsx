import { type QueryEditorProps, type SelectableValue } from '@grafana/data';
import { getTemplateSrv } from '@grafana/runtime';
import {
  FieldValidationMessage,
  InlineField,
  InlineFieldRow,
  InlineSwitch,
  Input,
  MultiSelect,
  Select,
} from '@grafana/ui';
import React, { useEffect, useState } from 'react';

import { type BosDatasource } from './datasource';
import {
  listFilters,
  machineFilters,
  queryTypes,
  textFilters,
  type BosQuery,
  type BosSettings,
  type Filter,
  type ListFilter,
  type QueryType,
  type TextFilter,
} from './types';

type Props = QueryEditorProps<BosDatasource, BosQuery, BosSettings> & { annotation?: unknown };

const labelWidth = 14;
const width = 22;
const doubleWidth = width + labelWidth + width + 1; // in line with two columns, for what is long

const typeOptions = (Object.keys(queryTypes) as QueryType[]).map((value) => ({
  value,
  label: queryTypes[value].label,
  description: queryTypes[value].description,
}));

export function QueryEditor({ app, annotation, datasource, query, onChange, onRunQuery }: Props) {
  // Grafana 9.3 does not ask for the default query of a variable, which it edits without
  // an app; that of an annotation comes from the datasource.
  useEffect(() => {
    if (!query.queryType && !annotation) {
      onChange({ ...query, ...(app ? datasource : datasource.variables).getDefaultQuery() });
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps -- all else is new in each render
  }, [query.queryType]);

  const [problem, setProblem] = useState<string>();

  const change = (part: Partial<BosQuery>) => onChange(withoutUnknown({ ...query, ...part }));
  const changeAndRun = (part: Partial<BosQuery>) => {
    change(part);
    onRunQuery();
  };
  // A query written by hand may be of any type.
  const { description, filters, fields } = queryTypes[query.queryType!] ?? { filters: [] };
  const id = `bos-${query.key ?? query.refId}`;

  return (
    <>
      <InlineFieldRow>
        <InlineField label="Query type" labelWidth={labelWidth} tooltip={description}>
          <Select
            inputId={`${id}-type`}
            width={doubleWidth}
            maxMenuHeight={600}
            options={typeOptions}
            value={query.queryType}
            onChange={({ value }) => {
              onChange(withType(query, value!));
              onRunQuery();
            }}
          />
        </InlineField>
        {fields && (
          <InlineField label="Of" labelWidth={labelWidth} tooltip="What the answer lists.">
            <Select
              inputId={`${id}-field`}
              width={width}
              options={fields}
              value={fields.find(({ value }) => value === query.field)}
              onChange={({ value }) => changeAndRun({ field: value })}
            />
          </InlineField>
        )}
      </InlineFieldRow>
      <InlineFieldRow>
        {filters.map((name) =>
          isText(name) ? (
            <InlineField
              key={name}
              label={textFilters[name].label}
              labelWidth={labelWidth}
              tooltip={textFilters[name].help}
            >
              <Input
                id={`${id}-${name}`}
                width={width}
                placeholder="all"
                value={query[name] ?? ''}
                onChange={(event) => change({ [name]: event.currentTarget.value || undefined })}
                onBlur={onRunQuery}
              />
            </InlineField>
          ) : (
            <PickList
              key={name}
              id={`${id}-${name}`}
              name={name}
              datasource={datasource}
              query={query}
              onChange={(values) => changeAndRun({ [name]: values.length ? values : undefined })}
              onAnswer={setProblem}
            />
          ),
        )}
      </InlineFieldRow>
      {problem && (
        <div style={{ marginBottom: 4 }}>
          <FieldValidationMessage>
            There is no list to pick from, but you can type values. {problem}
          </FieldValidationMessage>
        </div>
      )}
      <InlineFieldRow>
        <InlineField
          label="Limit"
          labelWidth={labelWidth}
          tooltip="Maximum number of rows. A notice says how many were left out."
        >
          <Input
            id={`${id}-limit`}
            type="number"
            min={1}
            width={width}
            placeholder="from the settings"
            value={query.limit ?? ''}
            onChange={({ currentTarget: { valueAsNumber } }) =>
              change({ limit: valueAsNumber >= 1 ? Math.floor(valueAsNumber) : undefined })
            }
            onBlur={onRunQuery}
          />
        </InlineField>
        <InlineField
          label="Fresh"
          labelWidth={labelWidth}
          tooltip="Bypass the cache and read from BOS on every refresh. This puts load on BOS."
        >
          <InlineSwitch
            id={`${id}-fresh`}
            value={query.fresh ?? false}
            onChange={(event) => changeAndRun({ fresh: event.currentTarget.checked || undefined })}
          />
        </InlineField>
      </InlineFieldRow>
    </>
  );
}

/** Changes the type of a query, dropping what the new type does not know. */
export function withType(query: BosQuery, queryType: QueryType): BosQuery {
  const changed = withoutUnknown({ ...query, queryType });
  const { fields } = queryTypes[queryType];
  if (!fields?.some(({ value }) => value === query.field)) {
    changed.field = fields?.[0].value;
  }
  return changed;
}

/** Drops the filters that the query type does not know, and that the backend would refuse. */
function withoutUnknown(query: BosQuery): BosQuery {
  const changed = { ...query };
  const { filters } = queryTypes[query.queryType!] ?? { filters: filterNames };
  for (const name of filterNames.filter((name) => !filters.includes(name))) {
    delete changed[name];
  }
  return changed;
}

const filterNames = [...Object.keys(listFilters), ...Object.keys(textFilters)] as Filter[];

const isText = (name: Filter): name is TextFilter => name in textFilters;

interface PickListProps {
  id: string;
  name: ListFilter;
  datasource: BosDatasource;
  query: BosQuery;
  onChange: (values: string[]) => void;
  /** Called with the reason why there is no list, or without one if there is. */
  onAnswer: (problem?: string) => void;
}

function PickList({ id, name, datasource, query, onChange, onAnswer }: PickListProps) {
  const { label, help, options, resource } = {
    ...listFilters[name],
    ...(queryTypes[query.queryType!]?.ofMachine && machineFilters[name]),
  };
  const [typed, setTyped] = useState<string>(); // undefined while the list is closed
  const [found, setFound] = useState<Array<SelectableValue<string>>>([]);
  const [loading, setLoading] = useState(false);

  useEffect(() => {
    if (typed === undefined || !resource) {
      return;
    }
    let wanted = true; // until more is typed or the list closes
    const load = async () => {
      setLoading(true);
      let now: Array<SelectableValue<string>> = [];
      let why: string | undefined;
      try {
        now = await datasource.getOptions(name, typed, query);
      } catch (error) {
        why = reason(error);
      }
      if (wanted) {
        setFound(now);
        onAnswer(why);
        setLoading(false);
      }
    };
    const timer = setTimeout(load, typed ? 300 : 0);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the list is loaded for what is typed, not on each render
  }, [typed]);

  const variables = getTemplateSrv()
    .getVariables()
    .map((variable) => ({ value: `$${variable.name}`, label: `$${variable.name}`, description: 'Variable' }));
  const selected = [query[name] ?? []].flat().map((value) => ({ value, label: value }));
  // Grafana 9 shows a selected value only if it is among the options.
  const all = [...options, ...variables, ...found, ...selected];

  return (
    <InlineField label={label} labelWidth={labelWidth} tooltip={help}>
      <MultiSelect
        inputId={id}
        width={name === 'session' ? doubleWidth : width}
        placeholder="all"
        allowCustomValue
        isClearable
        isLoading={typed !== undefined && loading}
        filterOption={hasAllWords}
        options={all.filter(({ value }, i) => all.findIndex((option) => option.value === value) === i)}
        value={selected}
        onOpenMenu={() => setTyped('')}
        onCloseMenu={() => setTyped(undefined)}
        onInputChange={(text, { action }) => {
          if (action === 'input-change') {
            setTyped(text);
          }
        }}
        onChange={(values) => onChange(values.map(({ value }) => value!))}
      />
    </InlineField>
  );
}

/** Why a resource call failed: the backend's own message, if it got that far. */
function reason(error: unknown): string {
  const { data, message, statusText } = error as { data?: { message?: string }; message?: string; statusText?: string };
  return data?.message || message || statusText || 'Grafana did not answer';
}

/** Matches an option that has all the words typed, as the backend does. */
function hasAllWords({ label, value }: SelectableValue<string>, typed: string): boolean {
  const text = `${label} ${value}`.toLowerCase();
  return typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
