// Fills in both editors of the built plugin in Chromium, with the packages of the oldest
// Grafana, of the one that it is built with, and of the newest, and checks what comes out.
// Screenshots are left in build/screenshots. CHROMIUM names another browser.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { chromium } from 'playwright-core';

import { serve } from './server.mjs';

const root = path.resolve(import.meta.dirname, '..');
const queryTypes = JSON.parse(readFileSync(path.join(root, 'src/queryTypes.json'), 'utf8'));
const grafanas = { oldest: 'grafana/oldest', current: '.', newest: 'grafana/newest' };

const lists = {
  sessions: [
    { value: '9e1b1a6c-7d6f-4c0e-8d8e-3f6f0f3c1a01', label: '2026-01-12 09:30 boot compute, running (9e1b1a6c)' },
    { value: '51f0c7de-0b7a-4a43-9a2e-6f2f5b8a7e02', label: '2026-01-11 22:05 reboot compute, partial (51f0c7de)' },
    { value: 'c3d4b0aa-5a3e-4f4d-9f10-2f7a9f1b6d03', label: '2026-01-11 18:40 shutdown uan, succeeded (c3d4b0aa)' },
  ],
  bootsets: [
    { value: 'compute', label: 'compute' },
    { value: 'uan', label: 'uan' },
  ],
  phases: [{ value: 'boot', label: 'boot' }],
  categories: [{ value: 'quarantined', label: 'quarantined' }],
  tenants: [{ value: 'red', label: 'red' }],
  templates: [{ value: 'cos-2.5', label: 'cos-2.5' }],
};

// What no other step picks.
const offered = [
  ['sessions', 'tenant', 'red'],
  ['sessions', 'template', 'cos-2.5'],
  ['sessions', 'operation', 'reboot'],
  ['sessions', 'state', 'abandoned'],
  ['components', 'state', 'stable'],
  ['components', 'enabled', 'false'],
];

/** Fills in the editors on a page, step by step; pickLists are what the backend has to pick from. */
async function fillIn(page, pickLists, screenshots) {
  mkdirSync(screenshots, { recursive: true });
  const edit = (...args) => page.evaluate((a) => window.edit(...a), args);
  const shot = (name, of = page) => of.screenshot({ path: path.join(screenshots, `${name}.png`) });
  const editor = page.locator('#page');
  const field = (label) => page.getByLabel(label, { exact: true });
  // What is chosen lies above the input, so the click must not insist on it.
  const open = (label) => field(label).click({ force: true });
  const options = page.getByRole('option').or(page.getByLabel('Select option')); // as Grafana 9 calls them
  const option = (text) => options.getByText(text, { exact: true });
  // Grafana 9 has it out of sight, below what is drawn in its place.
  const toggle = (label) => field(label).press('Space');
  const pick = async (label, text, typed) => {
    await open(label);
    if (typed) {
      await page.keyboard.type(typed);
    }
    await option(text).click();
  };
  const comesOut = async (expected) =>
    assert.deepEqual(JSON.parse(await page.evaluate(() => JSON.stringify(window.edited))), expected);
  const step = async (name, run) => {
    try {
      await run();
      console.log(`ok ${name}`);
    } catch (error) {
      await shot('failure');
      throw error;
    }
  };

  await step('a new query shows something at once', async () => {
    await edit('QueryEditor', { refId: 'A' });
    await field('Session').waitFor();
    await comesOut({ refId: 'A', queryType: 'sessions' });
  });

  const nodes = {
    refId: 'A',
    queryType: 'nodes',
    session: ['latest', '51f0c7de-0b7a-4a43-9a2e-6f2f5b8a7e02'],
    bootset: ['compute'],
    phase: ['boot'],
    category: ['failed', 'quarantined'],
    node: 'x1000c*',
    limit: 200,
    fresh: true,
  };

  await step('a query is filled in', async () => {
    await pick('Query type', 'Nodes');
    await pick('Session', 'latest');
    await pick('Session', pickLists.sessions[1].label, 'reboot partial');
    await pick('Boot set', 'compute', 'comp');
    await pick('Phase', 'boot');
    await pick('Category', 'failed');
    await pick('Category', 'quarantined');
    await field('Node').fill('x1000c*');
    await field('Limit').fill('200');
    await toggle('Fresh');
    await comesOut(nodes);
    await shot('query-editor', editor);
  });

  await step('pick lists follow what is typed and the other filters', async () => {
    await open('Session');
    await option(pickLists.sessions[2].label).waitFor();
    await shot('query-editor-sessions');
    const typed = page.waitForRequest((request) => request.url().endsWith('sessions?q=uan+2026&bootset=compute'));
    await page.keyboard.type('uan 2026');
    await typed;
    await option(pickLists.sessions[0].label).waitFor({ state: 'hidden' });
    await page.keyboard.press('Escape');
    const chained = page.waitForRequest((request) =>
      request.url().endsWith(`phases?q=&session=${nodes.session.join('&session=')}&bootset=compute`),
    );
    await open('Phase');
    await chained;
    await page.keyboard.press('Escape');
  });

  await step('another query type drops what it does not know', async () => {
    const { category, ...retry } = nodes;
    await pick('Query type', 'Retry lists');
    await comesOut({ ...retry, queryType: 'retry' });
    await open('Query type');
    await option('Offenders').waitFor();
    await shot('query-types');
    await page.keyboard.press('Escape');
  });

  await step('every query type has its filters, and their lists', async () => {
    const inputs = page.locator('[id^="bos-A-"]');
    for (const [queryType, { filters, fields }] of Object.entries(queryTypes)) {
      await edit('QueryEditor', { refId: 'A', queryType });
      await field('Limit').waitFor();
      assert.deepEqual(
        await inputs.evaluateAll((all) => all.map(({ id }) => id.replace('bos-A-', ''))),
        ['type', ...(fields ? ['field'] : []), ...filters, 'limit', 'fresh'],
        queryType,
      );
    }
    for (const [queryType, filter, value] of offered) {
      await edit('QueryEditor', { refId: 'A', queryType });
      await page.locator(`#bos-A-${filter}`).click({ force: true });
      await option(value).click();
      await comesOut({ refId: 'A', queryType, [filter]: [value] });
    }
  });

  await step('values and timelines are of a field', async () => {
    await edit('QueryEditor', { refId: 'A', queryType: 'values', field: 'session' });
    await pick('Of', 'Boot sets');
    await pick('Session', '$session');
    await comesOut({ refId: 'A', queryType: 'values', field: 'bootset', session: ['$session'] });
    await pick('Query type', 'Timeline');
    await comesOut({ refId: 'A', queryType: 'timeline', session: ['$session'] });
    await pick('Of', 'Phases');
    await comesOut({ refId: 'A', queryType: 'timeline', field: 'phase', session: ['$session'] });
    await pick('Of', 'Sessions and phases');
    await comesOut({ refId: 'A', queryType: 'timeline', session: ['$session'] });
  });

  await step('values are searched for what is typed into a variable', async () => {
    await edit('QueryEditor', { refId: 'A', queryType: 'values', field: 'node' });
    await field('Search').fill('$__searchFilter');
    await comesOut({ refId: 'A', queryType: 'values', field: 'node', search: '$__searchFilter' });
    await shot('values-editor', editor);
  });

  await step('variables make an element per value', async () => {
    const query = { refId: 'A', queryType: 'nodes', session: ['$session', 'latest'] };
    const filled = await page.evaluate((q) => window.fillIn(q), query);
    assert.deepEqual(filled, { ...query, session: ['one', 'two', 'latest'] });
  });

  await step('a pick list that fails leaves the editor at work', async () => {
    delete pickLists.bootsets;
    await edit('QueryEditor', { refId: 'A', queryType: 'bootsets' });
    await field('Boot set').pressSequentially('gpu');
    await page.getByText('BOS at http://bos does not answer').waitFor();
    await field('Boot set').press('Enter');
    await page.keyboard.press('Escape');
    await shot('query-editor-without-list', editor);
    await comesOut({ refId: 'A', queryType: 'bootsets', bootset: ['gpu'] });
  });

  const stored = {
    name: 'BOS',
    access: 'proxy',
    url: '',
    jsonData: {},
    secureJsonFields: { bearerToken: true },
  };

  await step('settings are filled in', async () => {
    await edit('ConfigEditor', stored);
    await page.getByPlaceholder('http://cray-bos.services.svc.cluster.local').fill('https://gateway/apis/bos');
    await toggle('v2');
    await field('Tenant').fill('red');
    await page.getByRole('button', { name: 'Reset' }).click();
    await field('OAuth2 token URL').fill('https://gateway/token');
    await field('OAuth2 client ID').fill('grafana');
    await field('OAuth2 client secret').fill('secret');
    await field('OAuth2 scopes').fill('openid');
    await field('OAuth2 scopes').press('Enter');
    await field('Cache seconds').fill('30');
    await field('Maximum rows').fill('1000');
    await field('Stuck in other phases').fill('2h');
    await field('Maximum session age').fill('0');
    await comesOut({
      ...stored,
      url: 'https://gateway/apis/bos',
      jsonData: {
        api: 'v2',
        tenant: 'red',
        oauth2: { tokenUrl: 'https://gateway/token', clientId: 'grafana', scopes: ['openid'] },
        cacheSeconds: 30,
        maxRows: 1000,
        stuckOther: '2h',
        sessionsMaxAge: '0',
      },
      secureJsonFields: { bearerToken: false },
      secureJsonData: { bearerToken: '', oauth2ClientSecret: 'secret' },
    });
    await shot('config-editor', editor);
  });
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
});
try {
  for (const [name, folder] of Object.entries(grafanas)) {
    const pickLists = structuredClone(lists);
    const { url, versions, close } = await serve(folder, pickLists);
    console.log(`${name}: ${versions}`);
    const page = await browser.newPage({ viewport: { width: 1280, height: 760 } });
    const failures = [];
    page.setDefaultTimeout(30_000);
    page.on('pageerror', (error) => failures.push(error));
    try {
      await page.goto(url);
      await fillIn(page, pickLists, path.join(root, 'build/screenshots', name));
      assert.deepEqual(failures, [], 'the page has errors');
    } finally {
      failures.forEach((failure) => console.error(failure));
      await page.close();
      close();
    }
  }
} finally {
  await browser.close();
}
