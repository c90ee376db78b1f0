/* The package: what is built from client/src, and what is committed of it. */
import test, {after, before} from 'node:test';
import assert from 'node:assert';
import {execFileSync} from 'node:child_process';
import {copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import vm from 'node:vm';
import {gzipSync} from 'node:zlib';

const CLIENT = fileURLToPath(new URL('../../client/', import.meta.url));
const MOST_BYTES = 12 * 1024; // compressed
let built;

const read = (directory, name) => readFileSync(path.join(directory, name), 'utf8');

before(() => {
  built = mkdtempSync(path.join(tmpdir(), 'cutout-client-'));
  execFileSync(process.execPath, ['build.js', built], {cwd: CLIENT});
  writeFileSync(path.join(built, 'package.json'), '{"type": "module"}');
});
after(() => rmSync(built, {recursive: true}));

test('the committed script is what the sources make: cd client && npm run build', () => {
  assert.ok(read(CLIENT + 'dist', 'syncclient.js') === read(built, 'syncclient.js'));
});

test('it is small', () => {
  for (const name of ['cutout-sync.min.js', 'syncclient.js']) {
    const {length} = gzipSync(read(built, name), {level: 9});
    assert.ok(length < MOST_BYTES, `${name}: ${length} bytes`);
  }
});

test('the script has exactly one place for the server to write its address', () => {
  const text = read(built, 'syncclient.js');
  const line = 'Sync.baseUrl = null; /* filled in by the server */';
  assert.strictEqual(text.split('\n').filter(found => found === line).length, 1);
  assert.strictEqual(text.split('Sync.baseUrl = null').length, 2);
});

test('loaded as a classic script it defines Sync and nothing else', () => {
  const page = Object.assign(Object.create({EventTarget}), {});
  page.self = page;
  vm.runInNewContext(read(built, 'syncclient.js').replace('Sync.baseUrl = null',
    'Sync.baseUrl = "http://x.test"'), page);
  assert.deepStrictEqual(Object.keys(page), ['self', 'Sync']);
  assert.strictEqual(page.Sync.baseUrl, 'http://x.test');
});

test('all modules say the same names, minified or not', async () => {
  const [source, whole, small] = await Promise.all([CLIENT + 'src/index.js',
    path.join(built, 'cutout-sync.js'), path.join(built, 'cutout-sync.min.js')].map(file => import(file)));
  assert.deepStrictEqual(Object.keys(whole), Object.keys(source));
  assert.deepStrictEqual(Object.keys(small), Object.keys(source));
  assert.deepStrictEqual(Object.keys(small.Sync), Object.keys(source.Sync));
});

const tool = name => path.join(CLIENT, 'node_modules', name);
const run = (file, ...args) => execFileSync(process.execPath, [file, ...args], {cwd: CLIENT, encoding: 'utf8'});

test('the declarations describe each call as it is used', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'cutout-types-'));
  mkdirSync(path.join(directory, 'node_modules'));
  symlinkSync(CLIENT, path.join(directory, 'node_modules', 'cutout-sync'));
  for (const name of ['react', '@types']) symlinkSync(tool(name), path.join(directory, 'node_modules', name));
  copyFileSync(new URL('types_test.ts', import.meta.url), path.join(directory, 'types_test.ts'));
  try {
    run(tool('typescript/bin/tsc'), '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022',
      '--lib', 'es2022,dom', '--preserveSymlinks', path.join(directory, 'types_test.ts'));
  } catch (error) {
    assert.fail(error.stdout);
  } finally {
    rmSync(directory, {recursive: true});
  }
});

test('the package holds what it needs and nothing else, and publint finds no fault', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'cutout-pack-'));
  try {
    const [{files}] = JSON.parse(execFileSync('npm', ['pack', '--json', '--loglevel=error', '--pack-destination',
      directory], {cwd: CLIENT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']}));
    assert.deepStrictEqual(files.map(file => file.path).sort(), ['README.md', 'dist/cutout-sync.js',
      'dist/cutout-sync.min.js', 'dist/encryption.js', 'dist/syncclient.js', 'package.json', 'src/react.js',
      'types/cutout-sync.d.ts', 'types/encryption.d.ts', 'types/react.d.ts']);
    const {publint} = await import(tool('publint/src/index-node.js'));
    const {messages} = await publint({pkgDir: CLIENT, strict: true, pack: 'npm'});
    assert.deepStrictEqual(messages, []);
  } finally {
    rmSync(directory, {recursive: true});
  }
});

test('it depends on nothing', () => {
  const {dependencies, exports} = JSON.parse(read(CLIENT, 'package.json'));
  assert.strictEqual(dependencies, undefined);
  for (const entry of Object.values(exports)) {
    if (typeof entry === 'object') assert.strictEqual(Object.keys(entry)[0], 'types');
  }
});
