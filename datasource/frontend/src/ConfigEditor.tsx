import { type DataSourcePluginOptionsEditorProps } from '@grafana/data';
import { config } from '@grafana/runtime';
import { DataSourceHttpSettings, InlineField, Input, RadioButtonGroup, SecretInput, TagsInput } from '@grafana/ui';
import React, { type FormEvent, type ReactNode } from 'react';

import { type BosSecrets, type BosSettings } from './types';

const width = 80;
const url = 'http://cray-bos.services.svc.cluster.local';

// Grafana 9.3 knows no such thing.
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
        The URL is the address of BOS without its version: <code>{url}</code> inside the cluster, and through the API
        gateway <code>https://api-gw-service-nmn.local/apis/bos</code>.
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
          tooltip="The API to read. Both choices read v1 today, which BOS serves up to CSM 1.5."
        >
          <RadioButtonGroup
            options={[
              { value: 'auto' as const, label: 'Automatic' },
              { value: 'v1' as const, label: 'v1' },
            ]}
            value={jsonData.api ?? 'auto'}
            onChange={(api) => change({ api })}
          />
        </InlineField>
        <InlineField
          label="Tenant"
          {...row}
          tooltip="Sent as Cray-Tenant-Name. BOS v1 knows no tenants, and CSM 1.5 refuses it: leave it empty."
        >
          <Input id="bos-tenant" placeholder="none" {...text(jsonData.tenant, (tenant) => change({ tenant }))} />
        </InlineField>
      </Section>

      <Section title="Credentials">
        <p>
          Inside the cluster BOS asks for none. The API gateway wants a token: paste one, or give the client credentials
          with which to fetch tokens. Not both.
        </p>
        <InlineField
          label="Bearer token"
          {...row}
          tooltip="Sent to BOS as it is, and never renewed: when it expires, queries fail until a new one is saved here."
        >
          <SecretInput id="bos-bearer-token" {...secret('bearerToken')} />
        </InlineField>
        <InlineField
          label="OAuth2 token URL"
          {...row}
          tooltip="Where tokens are fetched, and fetched anew before they expire."
        >
          <Input
            id="bos-token-url"
            placeholder="https://api-gw-service-nmn.local/keycloak/realms/shasta/protocol/openid-connect/token"
            {...text(jsonData.oauth2?.tokenUrl, (tokenUrl) => changeOAuth2({ tokenUrl }))}
          />
        </InlineField>
        <InlineField label="OAuth2 client id" {...row} tooltip="The id of the client in Keycloak.">
          <Input id="bos-client-id" {...text(jsonData.oauth2?.clientId, (clientId) => changeOAuth2({ clientId }))} />
        </InlineField>
        <InlineField
          label="OAuth2 client secret"
          {...row}
          tooltip="The secret of that client. Grafana stores it encrypted and never shows it again."
        >
          <SecretInput id="bos-client-secret" {...secret('oauth2ClientSecret')} />
        </InlineField>
        <InlineField
          label="OAuth2 scopes"
          {...row}
          tooltip="Scopes to ask for with each token. Most systems need none."
        >
          <TagsInput
            id="bos-scopes"
            width={width}
            placeholder="Type a scope and press enter"
            tags={jsonData.oauth2?.scopes ?? []}
            onChange={(scopes) => changeOAuth2({ scopes })}
          />
        </InlineField>
      </Section>

      <Section title="Limits">
        <InlineField
          label="Cache seconds"
          {...row}
          tooltip="How old an answer may be before BOS is asked again. All panels share the answer. 0 asks each time."
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
          tooltip="The most rows of an answer. A notice at the panel says what was cut."
        >
          <Input
            id="bos-max-rows"
            min={1}
            placeholder="5000"
            {...number(jsonData.maxRows, (maxRows) => change({ maxRows }))}
          />
        </InlineField>
      </Section>
    </>
  );
}

/** Has the heading of Grafana's own HTTP settings, which a FieldSet has not. */
function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div style={{ marginBottom: 40 }}>
      <h3 className="page-heading">{title}</h3>
      {children}
    </div>
  );
}
