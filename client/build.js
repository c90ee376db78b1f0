/* Builds client/dist from client/src:
 *   cutout-sync.js, cutout-sync.min.js   ES module
 *   encryption.js                        ES module: end-to-end encryption
 *   syncclient.js                        classic script, as the server gives it to pages
 * esbuild puts the modules together, terser makes them small.
 *
 * usage: node build.js [DIRECTORY]   (default: dist) */
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';
import {minify} from 'terser';

const here = fileURLToPath(new URL('.', import.meta.url));
const out = path.resolve(here, process.argv[2] || 'dist');
const {version} = JSON.parse(readFileSync(here + 'package.json', 'utf8'));
const banner = `/* cutout-sync ${version} (MIT) */\n`;
// The server looks for exactly this text, and writes its own address into it.
const footer = 'Sync.baseUrl = null; /* filled in by the server */\n';

async function bundle(entry, format) {
  const {outputFiles} = await build({absWorkingDir: here, entryPoints: ['src/' + entry], format,
    bundle: true, write: false, charset: 'utf8', target: 'es2020', legalComments: 'none'});
  return outputFiles[0].text;
}

/* Names that begin with "_" are the package's own. */
async function shrink(code, module) {
  const options = {module, ecma: 2020, compress: {passes: 3, unsafe_arrows: true, inline: 1, pure_getters: true}, mangle: {properties: {regex: /^_./}}};
  return (await minify(code, options)).code + '\n';
}

function write(name, code) { writeFileSync(path.join(out, name), banner + code); }

mkdirSync(out, {recursive: true});
const whole = await bundle('index.js', 'esm');
write('cutout-sync.js', whole);
write('cutout-sync.min.js', await shrink(whole, true));
write('encryption.js', await bundle('encryption.js', 'esm'));
write('syncclient.js', await shrink(await bundle('classic.js', 'iife'), false) + footer);
