/* The API of the first version, by name, in the script as the server gives it to pages. */
import test from 'node:test';
import assert from 'node:assert';
import {readFileSync} from 'node:fs';
import vm from 'node:vm';
import {World, FakeApp, FakeAuthenticator, outcome, SERVER} from './support/world.js';

const SCRIPT = readFileSync(new URL('../../client/dist/syncclient.js', import.meta.url), 'utf8');

/* The served script in a page of its own, on the test's network and clock. */
function loadScript(world) {
  const page = {EventTarget, Event, AbortController, TextEncoder, setTimeout, clearTimeout};
  page.self = page;
  vm.runInNewContext(SCRIPT.replace('Sync.baseUrl = null', `Sync.baseUrl = "${SERVER}"`), page);
  Object.assign(page.Sync.env, {fetch: world.server.fetch, setTimeout: world.clock.setTimeout,
    clearTimeout: world.clock.clearTimeout, setInterval: world.clock.setInterval,
    clearInterval: world.clock.clearInterval, now: world.clock.now, randomBytes: bytes => bytes.map(() => ++world.made),
    localStorage: () => world.localStorage, document: world.page, events: world.window,
    location: {hostname: 'app.test', origin: 'http://app.test'}});
  return page.Sync;
}

const isFunction = (owner, names) => {
  for (const name of names.split(' ')) assert.strictEqual(typeof owner[name], 'function', name);
};

test('every name of the first version is there', () => {
  const world = new World();
  const Sync = loadScript(world);
  const sync = new Sync(new FakeApp(), {serverUrl: SERVER, bucket: 'b', appName: 'a', verifyUrl: '/verify',
    storage: new Sync.LocalStorage('x::'), assertion: undefined});
  isFunction(sync, 'lastSyncTime resetSchedule scheduleImmediately scheduleSlowly activate deactivate request ' +
    'logout toggleLogin watch reset authenticateUrl');
  isFunction(sync.server, 'get put deleteCollection');
  assert.strictEqual('onretryafter' in sync.server && 'onautherror' in sync.server, true);
  isFunction(sync.service, 'syncNow reset lastSyncTime');
  isFunction(sync.scheduler, 'schedule activate deactivate scheduleImmediately scheduleSlowly resetSchedule ' +
    'retryAfter');
  assert.deepStrictEqual([sync.scheduler.onerror, sync.scheduler.onsuccess], [null, null]);
  isFunction(new Sync.PersonaAuthenticator('/verify', new Sync.LocalStorage('y::')),
    'request logout watch loggedIn modifyUrl modifyRequest');
  isFunction(new Sync.LocalStorage('z::'), 'get put clear');
});

test('an app of the first version runs on the served script', async () => {
  const world = new World();
  const Sync = loadScript(world);
  const app = new FakeApp();
  const authenticator = new FakeAuthenticator();
  const sync = new Sync(app, {appName: 'notes', authenticator});
  world.server.append([{id: 'theirs', type: 'note', data: 1}], '/app.test/ann%40example.com/notes');
  await world.clock.pass(0);
  app.edit('mine', 2);
  await world.clock.pass(1000);
  assert.strictEqual(app.data('theirs'), 1);
  assert.deepStrictEqual(world.server.stored().map(object => object.id), ['theirs', 'mine']);
  assert.strictEqual(app.dirty.size, 0);
  assert.strictEqual(sync.lastSyncTime(), world.clock.now() - 500);
  assert.deepStrictEqual(await outcome(done => sync.reset(done)), {error: null, result: undefined});
  assert.strictEqual(app.resets, 1);
  world.server.only.deleted = {reason: 'x'};
  const {error} = await outcome(done => sync.service.syncNow(done));
  assert.strictEqual(error.collection_deleted.reason, 'x');
  assert.strictEqual((await outcome(done => sync.service.syncNow(done, true))).error, null);
});

test('server calls take node-style callbacks, each called once', async () => {
  const world = new World();
  const Sync = loadScript(world);
  const server = new Sync.Server(SERVER, 'notes', new FakeAuthenticator());
  let calls = 0;
  const once = call => outcome(done => call((...args) => { calls++; done(...args); }));
  assert.strictEqual((await once(done => server.get(0, done))).result.objects.length, 0);
  assert.strictEqual((await once(done => server.put(0, [{id: 'a'}], done))).result.object_counters[0], 1);
  assert.strictEqual((await once(done => server.put(0, [{id: 'b'}], done))).result.since_invalid, true);
  assert.strictEqual((await once(done => server.get(1, done))).error, null);
  world.server.failNext('GET', 500);
  assert.strictEqual((await once(done => server.get(1, done))).error.code, 500);
  assert.strictEqual((await once(done => server.deleteCollection({reason: 'x'}, done))).error, null);
  await world.clock.pass(1000);
  assert.strictEqual(calls, 6);
});
