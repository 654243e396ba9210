// Checks the sources against the types of another Grafana:
//   node .config/typecheck-with.mjs GRAFANA_VERSION REACT_TYPES_VERSION
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const [grafana, react] = process.argv.slice(2);
const root = path.resolve(import.meta.dirname, '..');
const folder = path.join(root, 'build', `grafana-${grafana}`);
const run = (command, ...args) => execFileSync(command, args, { cwd: folder, stdio: 'inherit' });

mkdirSync(folder, { recursive: true });
writeFileSync(
  path.join(folder, 'package.json'),
  JSON.stringify({
    private: true,
    dependencies: {
      '@grafana/data': grafana,
      '@grafana/runtime': grafana,
      '@grafana/ui': grafana,
      '@types/react': react,
      rxjs: '7.8.2',
    },
  }),
);
// Types only: no scripts, and no regard for the React that would run.
run('npm', 'install', '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund', '--no-package-lock');
rmSync(path.join(folder, 'src'), { recursive: true, force: true });
cpSync(path.join(root, 'src'), path.join(folder, 'src'), {
  recursive: true,
  filter: (file) => !/\.test\.tsx?$/.test(file),
});
writeFileSync(
  path.join(folder, 'tsconfig.json'),
  JSON.stringify({ extends: '../../tsconfig.json', compilerOptions: { types: [] }, include: ['src'] }),
);
run('node', path.join(root, 'node_modules/typescript/bin/tsc'), '-p', '.');
