import { type DataSourcePluginOptionsEditorProps } from '@grafana/data';
import { config } from '@grafana/runtime';
import { DataSourceHttpSettings, InlineField, Input, RadioButtonGroup, SecretInput, TagsInput } from '@grafana/ui';
import React, { type FormEvent, type ReactNode } from 'react';

import { type BosSecrets, type BosSettings } from './types';

const width = 80;
const url = 'http://cray-bos.services.svc.cluster.local';

// Grafana 9.3 does not have it.
const { secureSocksDSProxyEnabled } = config as { secureSocksDSProxyEnabled?: boolean };

export function ConfigEditor({
  options,
  onOptionsChange,
}: DataSourcePluginOptionsEditorProps<BosSettings, BosSecrets>) {
  const { jsonData, secureJsonData, secureJsonFields, readOnly } = options;

  const row = { labelWidth: 26, disabled: readOnly };
  const change = (part: Partial<BosSettings>) => onOptionsChange({ ...options, jsonData: { ...jsonData, ...part } });
  const changeOAuth2 = (part: BosSettings['oauth2']) => change({ oauth2: { ...jsonData.oauth2, ...part } });

  const secret = (name: keyof BosSecrets) => ({
    width,
    isConfigured: Boolean(secureJsonFields?.[name]),
    value: secureJsonData?.[name] ?? '',
    onChange: ({ currentTarget }: FormEvent<HTMLInputElement>) =>
      onOptionsChange({ ...options, secureJsonData: { ...secureJsonData, [name]: currentTarget.value } }),
    // The empty secret overwrites the stored one when the settings are saved.
    onReset: () =>
      onOptionsChange({
        ...options,
        secureJsonFields: { ...secureJsonFields, [name]: false },
        secureJsonData: { ...secureJsonData, [name]: '' },
      }),
  });

  const text = (value: string | undefined, onChange: (value: string) => void) => ({
    width,
    value: value ?? '',
    onChange: ({ currentTarget }: FormEvent<HTMLInputElement>) => onChange(currentTarget.value),
  });

  const number = (value: number | undefined, onChange: (value?: number) => void) => ({
    type: 'number',
    width,
    value: value ?? '',
    onChange: ({ currentTarget: { value } }: FormEvent<HTMLInputElement>) =>
      onChange(value === '' ? undefined : Math.floor(Number(value))),
  });

  return (
    <>
      <p>
        The URL is the address of BOS without the API version: <code>{url}</code> inside the cluster, or{' '}
        <code>https://api-gw-service-nmn.local/apis/bos</code> through the API gateway.
      </p>
      <DataSourceHttpSettings
        defaultUrl={url}
        dataSourceConfig={options}
        onChange={onOptionsChange}
        {...{ secureSocksDSProxyEnabled }}
      />

      <Section title="BOS">
        <InlineField
          label="API version"
          {...row}
          tooltip="Version of the BOS API to use. Automatic finds out which ones BOS serves, and shows the sessions of both: v1 up to CSM 1.5, v2 since CSM 1.3."
        >
          <RadioButtonGroup
            options={[
              { value: 'auto' as const, label: 'Automatic' },
              { value: 'v1' as const, label: 'v1' },
              { value: 'v2' as const, label: 'v2' },
            ]}
            value={jsonData.api ?? 'auto'}
            onChange={(api) => change({ api })}
          />
        </InlineField>
        <InlineField
          label="Tenant"
          {...row}
          tooltip="Sent as Cray-Tenant-Name, so that only the sessions of this tenant are shown. Empty shows those of all tenants. BOS v1 does not support tenants, and CSM 1.5 refuses the header."
        >
          <Input id="bos-tenant" placeholder="none" {...text(jsonData.tenant, (tenant) => change({ tenant }))} />
        </InlineField>
      </Section>

      <Section title="Credentials">
        <p>
          Inside the cluster BOS needs none. The API gateway needs a token: paste one, or give client credentials to
          fetch tokens with, but not both.
        </p>
        <InlineField
          label="Bearer token"
          {...row}
          tooltip="Sent to BOS as it is and never renewed: once it expires, queries fail until a new one is saved here."
        >
          <SecretInput id="bos-bearer-token" {...secret('bearerToken')} />
        </InlineField>
        <InlineField
          label="OAuth2 token URL"
          {...row}
          tooltip="Where to fetch tokens. They are renewed before they expire."
        >
          <Input
            id="bos-token-url"
            placeholder="https://api-gw-service-nmn.local/keycloak/realms/shasta/protocol/openid-connect/token"
            {...text(jsonData.oauth2?.tokenUrl, (tokenUrl) => changeOAuth2({ tokenUrl }))}
          />
        </InlineField>
        <InlineField label="OAuth2 client ID" {...row} tooltip="ID of the client in Keycloak.">
          <Input id="bos-client-id" {...text(jsonData.oauth2?.clientId, (clientId) => changeOAuth2({ clientId }))} />
        </InlineField>
        <InlineField
          label="OAuth2 client secret"
          {...row}
          tooltip="Secret of that client. Grafana stores it encrypted and never shows it again."
        >
          <SecretInput id="bos-client-secret" {...secret('oauth2ClientSecret')} />
        </InlineField>
        <InlineField
          label="OAuth2 scopes"
          {...row}
          tooltip="Scopes to request with each token. Most systems need none."
        >
          <TagsInput
            id="bos-scopes"
            width={width}
            placeholder="Type a scope and press Enter"
            tags={jsonData.oauth2?.scopes ?? []}
            onChange={(scopes) => changeOAuth2({ scopes })}
          />
        </InlineField>
      </Section>

      <Section title="Limits">
        <InlineField
          label="Cache seconds"
          {...row}
          tooltip="Maximum age of an answer before BOS is read again. All panels share the answer. 0 reads BOS for every query."
        >
          <Input
            id="bos-cache-seconds"
            min={0}
            placeholder="10"
            {...number(jsonData.cacheSeconds, (cacheSeconds) => change({ cacheSeconds }))}
          />
        </InlineField>
        <InlineField
          label="Maximum rows"
          {...row}
          tooltip="Maximum number of rows in an answer. A notice on the panel says how many were left out."
        >
          <Input
            id="bos-max-rows"
            min={1}
            placeholder="5000"
            {...number(jsonData.maxRows, (maxRows) => change({ maxRows }))}
          />
        </InlineField>
      </Section>

      <Section title="Sessions">
        <p>
          Durations such as <code>90s</code>, <code>10m</code> or <code>168h</code>. Give the values that{' '}
          <code>bos_exporter</code> has, or both will judge sessions differently.
        </p>
        {durations.map(({ name, label, tooltip, placeholder }) => (
          <InlineField key={name} label={label} {...row} tooltip={tooltip}>
            <Input
              id={`bos-${name}`}
              placeholder={placeholder}
              {...text(jsonData[name], (value) => change({ [name]: value || undefined }))}
            />
          </InlineField>
        ))}
      </Section>
    </>
  );
}

const durations = [
  {
    name: 'stuckShutdown',
    label: 'Stuck in shutdown',
    tooltip:
      'How long no node may move during shutdown, or before the boot agent reports any node, until the session counts as stuck. As --stuck.shutdown of bos_exporter.',
    placeholder: '10m',
  },
  {
    name: 'stuckOther',
    label: 'Stuck in other phases',
    tooltip:
      'How long no node may move in any other phase until the session counts as stuck. Must exceed the waits that BOS is configured with. As --stuck.other of bos_exporter.',
    placeholder: '35m',
  },
  {
    name: 'stuckAbandoned',
    label: 'Abandoned after',
    tooltip: 'How long a session may be stuck until it counts as abandoned. As --stuck.abandoned of bos_exporter.',
    placeholder: '24h',
  },
  {
    name: 'sessionsMaxAge',
    label: 'Maximum session age',
    tooltip:
      'Sessions that started longer ago are read little by little, or when they are selected by id. 0 reads all at once. As --sessions.max-age of bos_exporter.',
    placeholder: '168h',
  },
] as const;

/** Has the same heading as Grafana's own HTTP settings, unlike a FieldSet. */
function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div style={{ marginBottom: 40 }}>
      <h3 className="page-heading">{title}</h3>
      {children}
    </div>
  );
}
