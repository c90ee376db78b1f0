/* Builds client/dist from client/src:
 *   cutout-sync.js, cutout-sync.min.js   ES module
 *   syncclient.js                        classic script, as the server gives it to pages
 *
 * usage: node build.js [DIRECTORY]   (default: dist) */
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const {version} = JSON.parse(readFileSync(here + 'package.json', 'utf8'));
const banner = `/* cutout-sync ${version}, MIT: keeps an app's data in step with a cutoutd server. */`;
const common = {
  absWorkingDir: here,
  outdir: process.argv[2] || 'dist',
  bundle: true,
  charset: 'utf8',
  target: 'es2018',
  legalComments: 'none',
  logLevel: 'warning',
  banner: {js: banner},
};
const small = {minify: true, mangleProps: /^_./};

await build({...common, entryPoints: {'cutout-sync': 'src/index.js'}, format: 'esm'});
await build({...common, ...small, entryPoints: {'cutout-sync.min': 'src/index.js'}, format: 'esm'});
await build({...common, ...small, entryPoints: {syncclient: 'src/classic.js'}, format: 'iife',
  // The server looks for exactly this text, and writes its own address into it.
  footer: {js: 'Sync.baseUrl = null; /* the server that serves this file fills this in */'}});
