// Serves a page with the built plugin on it, as one Grafana would show it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';

import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');

// The packages of Grafana 9 lack the style sheet that it lays below its components.
const html = `<!doctype html>
<title>BOS</title>
<style>*, ::before, ::after { box-sizing: border-box } label { display: inline-block }</style>
<link rel="stylesheet" href="/harness.css">
<script type="systemjs-importmap">
  {"imports": {"react": "/provided/react", "@grafana/": "/provided/@grafana/"}}
</script>
<script src="/systemjs/system.js"></script>
<div id="page" style="padding: 16px"></div>
<script src="/harness.js"></script>
<script src="/systemjs/extras/amd.js"></script>`; // last, as bundled libraries prefer AMD to their bundle

const types = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

/**
 * Bundles the page with the packages installed in a folder, and with no others.
 * @param {string} folder of a package.json, relative to that of the frontend
 */
async function bundle(folder) {
  const resolveDir = path.join(root, folder);
  const version = (name) =>
    JSON.parse(readFileSync(path.join(resolveDir, 'node_modules', name, 'package.json'), 'utf8')).version;
  const react = version('react-dom');
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: readFileSync(path.join(root, 'e2e/harness.tsx'), 'utf8'),
      sourcefile: 'harness.tsx',
      loader: 'tsx',
      resolveDir,
    },
    alias: react.startsWith('17.') ? { 'react-dom/client': path.join(resolveDir, 'react-dom-client.ts') } : {},
    absWorkingDir: root,
    bundle: true,
    metafile: true,
    write: false,
    outfile: '/harness.js',
    define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
    loader: { '.svg': 'dataurl', '.woff': 'empty', '.woff2': 'empty', '.ttf': 'empty' },
    logLevel: 'error',
  });
  // A package that is missing there would be taken from the folder above.
  const own = path.join(folder, 'node_modules/');
  const other = Object.keys(metafile.inputs).find((file) => file.includes('node_modules/') && !file.startsWith(own));
  assert.equal(other, undefined, `${other} is not of ${own}, where npm ci installs what is missing`);
  return { outputFiles, versions: `@grafana/ui ${version('@grafana/ui')}, React ${react}` };
}

/**
 * Serves the page until it is closed.
 * @param {string} folder where the packages of a Grafana are installed
 * @param {Record<string, object[]>} resources what the backend answers by path; it fails for all others
 */
export async function serve(folder, resources) {
  const { outputFiles, versions } = await bundle(folder);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const answer = (content, type, status = 200) => response.writeHead(status, { 'Content-Type': type }).end(content);
    const file = (...parts) => answer(readFileSync(path.join(root, ...parts)), types[path.extname(pathname)]);
    try {
      const [, first, ...rest] = pathname.split('/');
      if (pathname === '/') {
        answer(html, 'text/html');
      } else if (pathname === '/harness.js' || pathname === '/harness.css') {
        answer(outputFiles.find((output) => output.path === pathname)?.contents ?? '', types[path.extname(pathname)]);
      } else if (first === 'dist') {
        file('dist', ...rest);
      } else if (first === 'systemjs') {
        file('node_modules/systemjs/dist', ...rest);
      } else if (first === 'resources') {
        const list = resources[rest[0]];
        answer(
          JSON.stringify(list ?? { message: 'BOS at http://bos does not answer: is the URL right?' }),
          'application/json',
          list ? 200 : 502,
        );
      } else {
        // Those of another Grafana will do for the oldest, whose packages lack them.
        file('node_modules/@grafana/ui/dist/public/img/icons', pathname.split('/icons/')[1]);
      }
    } catch {
      answer('', 'text/plain', 404);
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}/`, versions, close: () => server.close() };
}
