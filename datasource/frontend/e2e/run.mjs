// Fills in both editors of the built plugin in Chromium, and checks what comes out.
// Screenshots are left in build/screenshots. CHROMIUM names another browser.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';

import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const root = path.resolve(import.meta.dirname, '..');
const screenshots = path.join(root, 'build/screenshots');
mkdirSync(screenshots, { recursive: true });

const bundle = await build({
  entryPoints: [path.join(root, 'e2e/harness.tsx')],
  bundle: true,
  write: false,
  outdir: '/',
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  loader: { '.svg': 'dataurl', '.woff': 'empty', '.woff2': 'empty', '.ttf': 'empty' },
  logLevel: 'error',
});
const bundled = (ending) => bundle.outputFiles.find((file) => file.path.endsWith(ending))?.contents ?? '';

const html = `<!doctype html>
<title>BOS</title>
<link rel="stylesheet" href="/harness.css">
<script type="systemjs-importmap">
  {"imports": {"react": "/provided/react", "@grafana/": "/provided/@grafana/"}}
</script>
<script src="/systemjs/system.js"></script>
<div id="page" style="padding: 16px"></div>
<script src="/harness.js"></script>
<script src="/systemjs/extras/amd.js"></script>`; // last, as bundled libraries prefer AMD to their bundle

const pickLists = {
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
};

const types = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  const answer = (content, type, status = 200) => response.writeHead(status, { 'Content-Type': type }).end(content);
  const file = (...parts) => answer(readFileSync(path.join(root, ...parts)), types[path.extname(pathname)]);
  try {
    const [, first, ...rest] = pathname.split('/');
    if (pathname === '/') {
      answer(html, 'text/html');
    } else if (pathname === '/harness.js' || pathname === '/harness.css') {
      answer(bundled(pathname), types[path.extname(pathname)]);
    } else if (first === 'dist') {
      file('dist', ...rest);
    } else if (first === 'systemjs') {
      file('node_modules/systemjs/dist', ...rest);
    } else if (first === 'resources') {
      const list = pickLists[rest[0]];
      answer(
        JSON.stringify(list ?? { message: 'BOS at http://bos does not answer: is the URL right?' }),
        'application/json',
        list ? 200 : 502,
      );
    } else {
      file('node_modules/@grafana/ui/dist/public/img/icons', pathname.split('/icons/')[1]);
    }
  } catch {
    answer('', 'text/plain', 404);
  }
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
});
const failures = [];
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 760 } });
  page.setDefaultTimeout(30_000);
  page.on('pageerror', (error) => failures.push(error));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);

  const edit = (...args) => page.evaluate((a) => window.edit(...a), args);
  const shot = (name, of = page) => of.screenshot({ path: path.join(screenshots, `${name}.png`) });
  const editor = page.locator('#page');
  const field = (label) => page.getByLabel(label, { exact: true });
  // What is chosen lies above the input, so the click must not insist on it.
  const open = (label) => field(label).click({ force: true });
  const option = (text) => page.getByRole('option').getByText(text, { exact: true });
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
    await open('Fresh');
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
    await open('v2');
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
} finally {
  failures.forEach((failure) => console.error(failure));
  await browser.close();
  server.close();
}
assert.deepEqual(failures, [], 'the page has errors');
