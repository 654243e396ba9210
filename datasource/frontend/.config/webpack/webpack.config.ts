// Builds the plugin by the conventions of @grafana/create-plugin: an AMD module of
// which Grafana provides every import, with its source map and the files that
// belong to a plugin beside it.
import CopyWebpackPlugin from 'copy-webpack-plugin';
import path from 'path';
import type { Configuration } from 'webpack';

import { version } from '../../package.json';
import { id } from '../../src/plugin.json';

const root = path.resolve(__dirname, '../..');

const fillIn = (content: Buffer) =>
  content.toString().replace('%VERSION%', version).replace('%TODAY%', new Date().toISOString().slice(0, 10));

const config: Configuration = {
  mode: 'production',
  target: ['web', 'es2019'],
  devtool: 'source-map',
  context: path.join(root, 'src'),
  entry: { module: './module.ts' },
  externals: ['react', '@grafana/data', '@grafana/runtime', '@grafana/ui'],
  resolve: { extensions: ['.ts', '.tsx'] },
  module: {
    rules: [
      { test: /\.tsx?$/, loader: 'ts-loader', options: { transpileOnly: true, compilerOptions: { noEmit: false } } },
    ],
  },
  output: {
    clean: { keep: /^(gpx_|go_plugin_build_manifest)/ }, // the backend has its place here, too
    path: path.join(root, 'dist'),
    filename: '[name].js',
    library: { type: 'amd' },
    publicPath: `public/plugins/${id}/`,
    uniqueName: id,
  },
  plugins: [
    new CopyWebpackPlugin({
      patterns: [
        { from: 'plugin.json', transform: fillIn },
        { from: 'img', to: 'img' },
        { from: path.join(root, '../../docs/img'), to: 'img' },
        { from: '*.json', context: path.join(root, '../../dashboards'), to: 'dashboards' },
        { from: path.join(root, 'README.md') },
        { from: path.join(root, 'CHANGELOG.md') },
        { from: path.join(root, '../../LICENSE') },
      ],
    }),
  ],
};

export default config;
