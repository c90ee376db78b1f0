/* What is new at the level of Sync: promises, signals, events, status, waking and flushing. */
import test from 'node:test';
import assert from 'node:assert';
import {Sync, World, FakeApp, FakeAuthenticator, MemoryDatabase, SERVER, settle, PATH} from './support/world.js';

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE;
const note = (id, data) => ({type: 'note', id, data});

function openWithStore(world, options) {
  const store = new Sync.IndexedDBStore('notes', {database: new MemoryDatabase()});
  const authenticator = new FakeAuthenticator();
  const sync = new Sync(store, {serverUrl: SERVER, appName: 'notes', authenticator, wait: 0, ...options});
  return {store, authenticator, sync};
}

test('where a callback is left out a promise is given', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  assert.strictEqual(await one.service.syncNow(), undefined);
  assert.strictEqual((await one.server.get(0)).objects.length, 1);
  assert.deepStrictEqual((await one.server.put(1, [{id: 'b'}])).object_counters, [2]);
  world.server.failNext('GET', 500);
  await assert.rejects(one.service.syncNow(), {code: 500});
  await one.service.reset();
  assert.deepStrictEqual(await one.service.deleteCollection('x'), {});
  assert.strictEqual(one.service.syncNow(() => {}), undefined);
});

test('a signal ends a sync', async () => {
  const world = new World();
  const one = world.device('one');
  const aborter = new AbortController();
  world.server.meetNext('GET', () => new Promise(() => {}));
  const syncing = one.service.syncNow({signal: aborter.signal});
  await settle();
  aborter.abort();
  await assert.rejects(syncing, {error: 'cancelled'});
  await assert.rejects(one.service.syncNow({signal: aborter.signal}), {error: 'cancelled'});
  assert.strictEqual(world.server.requests.length, 1);
  assert.strictEqual((await one.sync()).error, null);
});

test('a signal that ends a POST leaves the batch to be asked about', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  const aborter = new AbortController();
  world.server.meetNext('POST', (request, answer) => { answer(); return new Promise(() => {}); });
  const syncing = one.service.syncNow({signal: aborter.signal});
  await settle();
  aborter.abort();
  await assert.rejects(syncing, {error: 'cancelled'});
  assert.strictEqual((await one.sync()).error, null);
  const [first, again] = world.server.sent('POST');
  assert.deepStrictEqual([again.url, again.body], [first.url, first.body]);
  assert.strictEqual(world.server.stored().length, 1);
});

test('a signal among the options ends all it does', async () => {
  const world = new World();
  const aborter = new AbortController();
  const {store} = openWithStore(world, {signal: aborter.signal});
  await world.clock.pass(SECOND);
  const before = world.server.requests.length;
  aborter.abort();
  await store.put(note('a', 1));
  await world.clock.pass(HOUR);
  assert.strictEqual(world.server.requests.length, before);
});

test('events tell of login, status, errors and logout', async () => {
  const world = new World();
  const {sync, authenticator} = openWithStore(world);
  const told = [];
  for (const name of ['login', 'logout', 'error', 'autherror']) {
    sync.addEventListener(name, ({detail}) => told.push([name, detail && detail.code || detail]));
  }
  await world.clock.pass(SECOND);
  world.server.failNext('GET', 401);
  await assert.rejects(sync.syncNow());
  authenticator.login('ann@example.com');
  authenticator.logout();
  assert.deepStrictEqual(told, [['autherror', undefined], ['error', 401], ['login', 'ann@example.com'],
    ['logout', undefined]]);
});

test('a login that expired is no error any more once there is another', async () => {
  const world = new World();
  const {sync, authenticator} = openWithStore(world);
  world.server.failNext('GET', 401);
  await world.clock.pass(SECOND);
  assert.strictEqual(sync.status().lastError.code, 401);
  authenticator.login('ann@example.com');
  assert.strictEqual(sync.status().lastError, null);
});

test('that the network is gone is told at once, and told until the end only', async () => {
  const world = new World();
  const {sync} = openWithStore(world);
  await world.clock.pass(SECOND);
  const told = [];
  sync.addEventListener('status', ({detail}) => told.push(detail.online));
  Sync.env.online = () => false;
  world.window.dispatchEvent(new Event('offline'));
  assert.deepStrictEqual(told, [false]);
  await sync.close();
  world.window.dispatchEvent(new Event('offline'));
  assert.deepStrictEqual(told, [false]);
});

test('status tells what waits, when it last went well, and what went wrong', async () => {
  const world = new World();
  const {sync, store} = openWithStore(world);
  await world.clock.pass(SECOND);
  assert.deepStrictEqual(sync.status(), {loggedIn: true, leader: true, syncing: false, pending: 0,
    lastError: null, progress: null, online: true, lastSync: world.clock.now() - SECOND});
  Sync.env.online = () => false;
  world.server.refuseConnection('GET');
  await store.put(note('a', 1));
  await world.clock.pass(SECOND / 2);
  const {pending, lastError, online} = sync.status();
  assert.deepStrictEqual([pending, lastError.error, lastError.code, online], [1, 'network', 0, false]);
  await world.clock.pass(MINUTE);
  assert.deepStrictEqual([sync.status().pending, sync.status().lastError], [0, null]);
});

test('a change that could not be sent is tried again within seconds, ever more slowly', async () => {
  const world = new World();
  const {store} = openWithStore(world);
  await world.clock.pass(SECOND);
  for (let i = 0; i < 8; i++) world.server.refuseConnection('GET');
  await store.put(note('a', 1));
  await world.clock.pass(SECOND / 2);
  const waits = [];
  for (let i = 0; i < 8; i++) {
    waits.push(world.clock.due[0] / SECOND);
    await world.clock.pass(world.clock.due[0]);
  }
  assert.deepStrictEqual(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
  assert.strictEqual(world.server.stored().length, 1);
});

test('the time between failures is any up to its limit, never below a Retry-After', async () => {
  const world = new World();
  const {store} = openWithStore(world);
  await world.clock.pass(SECOND);
  Sync.env.random = () => 0.25;
  for (let i = 0; i < 3; i++) world.server.refuseConnection('GET');
  await store.put(note('a', 1));
  await world.clock.pass(SECOND / 2);
  await world.clock.pass(world.clock.due[0]);
  assert.deepStrictEqual(world.clock.due, [500]); // a quarter of two seconds
  world.server.faults = [];
  world.server.failNext('GET', 503, {'Retry-After': '7'});
  await world.clock.pass(500);
  assert.deepStrictEqual(world.clock.due, [7 * SECOND]);
});

test('what waits when the page is hidden goes at once, in a request that outlives it', async () => {
  const world = new World();
  const {store} = openWithStore(world);
  await world.clock.pass(SECOND);
  let keepalive;
  const fetch = Sync.env.fetch;
  Sync.env.fetch = (url, init) => { keepalive = init.keepalive; return fetch(url, init); };
  await store.put(note('a', 1));
  world.page.hide();
  await world.clock.pass(0);
  assert.strictEqual(world.server.stored().length, 1);
  assert.strictEqual(keepalive, true);
  world.page.show();
  await world.clock.pass(SECOND);
  await store.put(note('b', 2));
  world.window.dispatchEvent(new Event('pagehide'));
  await world.clock.pass(0);
  assert.strictEqual(world.server.stored().length, 2);
});

test('what is too large to outlive a page is sent as ever, and nothing when nothing waits', async () => {
  const world = new World();
  const {store} = openWithStore(world);
  await world.clock.pass(SECOND);
  const before = world.server.requests.length;
  world.page.hide();
  await world.clock.pass(0);
  assert.strictEqual(world.server.requests.length, before);
  world.page.show();
  await world.clock.pass(SECOND);
  let keepalive;
  const fetch = Sync.env.fetch;
  Sync.env.fetch = (url, init) => { keepalive = init.keepalive; return fetch(url, init); };
  await store.put(note('a', 'x'.repeat(70000)));
  world.page.hide();
  await world.clock.pass(0);
  assert.strictEqual(world.server.stored().length, 1);
  assert.strictEqual(keepalive, undefined);
});

test('a flush whose answer is lost is settled by the next sync, with the same bytes', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.sync();
  await one.put('a', 1);
  world.server.loseAnswer('POST');
  await assert.rejects(one.service.flush());
  const reloaded = one.reload();
  assert.strictEqual((await reloaded.sync()).error, null);
  const [first, again] = world.server.sent('POST');
  assert.deepStrictEqual([again.url, again.body], [first.url, first.body]);
  assert.strictEqual(world.server.stored().length, 1);
});

test('a flush before the first sync sends nothing', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.put('a', 1);
  await one.service.flush();
  assert.strictEqual(world.server.requests.length, 0);
});

test('a flush in the middle of a first sync sends nothing: it may be known there already', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  world.server.pageSize = 1;
  world.server.append([note('x', 1), note('y', 2)], PATH);
  world.server.meetNext('GET', (request, answer) => answer());
  world.server.refuseConnection('GET');
  await one.sync();
  await one.put('a', 1);
  await one.service.flush();
  assert.strictEqual(world.server.sent('POST').length, 0);
});

test('the watchdog: after sleep, or when the clock was set back, it syncs', async () => {
  for (const jump of [8 * HOUR, 3 * MINUTE, -24 * HOUR]) {
    const world = new World();
    openWithStore(world);
    await world.clock.pass(SECOND);
    world.server.append([note('a', 1)], PATH);
    const before = world.server.requests.length;
    world.clock.jump(jump);
    await world.clock.pass(31 * SECOND);
    assert.strictEqual(world.server.requests.length, before + 1, `a jump of ${jump}`);
  }
});

test('the watchdog: a Retry-After does not grow when the clock is set back', async () => {
  const world = new World();
  const {store} = openWithStore(world);
  await world.clock.pass(SECOND);
  world.server.failNext('GET', 503, {'Retry-After': '100'});
  await store.put(note('a', 1));
  await world.clock.pass(SECOND);
  world.clock.jump(-24 * HOUR);
  await world.clock.pass(2 * MINUTE);
  assert.strictEqual(world.server.stored().length, 1);
});

test('the watchdog: a timer that never goes off is no reason to wait for ever', async () => {
  const world = new World();
  const {store} = openWithStore(world);
  await world.clock.pass(SECOND);
  await store.put(note('a', 1));
  for (const [id, timer] of world.clock.timers) if (!timer.every) world.clock.timers.delete(id);
  await world.clock.pass(61 * SECOND);
  assert.strictEqual(world.server.stored().length, 1);
});

test('the watchdog: a sync that does not end is reported', async () => {
  const world = new World();
  const {app, scheduler} = world.open();
  const errors = [];
  scheduler.onerror = error => errors.push(error.error);
  app.getPendingObjects = () => {}; // never calls back
  await world.clock.pass(9 * MINUTE);
  assert.deepStrictEqual(errors, []);
  await world.clock.pass(2 * MINUTE);
  assert.deepStrictEqual(errors, ['stuck']);
});

test('held requests that fail three times in a row rest for ten minutes, and polling goes on', async () => {
  const world = new World();
  world.open({wait: 25});
  world.server.append([note('a', 1)], PATH);
  const fetch = Sync.env.fetch;
  let held = 0;
  Sync.env.fetch = (url, init) => {
    if (!url.includes('wait=')) return fetch(url, init);
    held++;
    throw new TypeError('a proxy cut it');
  };
  await world.clock.pass(9 * MINUTE);
  assert.strictEqual(held, 3);
  assert.ok(world.server.requests.length >= 4);
  await world.clock.pass(10 * MINUTE);
  assert.ok(held > 3);
  held = 0;
  await world.clock.pass(SECOND);
  world.window.dispatchEvent(new Event('online')); // another network may be better
  await world.clock.pass(SECOND);
  assert.ok(held > 0);
});

test('asks the browser to keep what is stored, unless told not to', async () => {
  const world = new World();
  let asked = 0;
  Sync.env.storageManager = {persist: async () => { asked++; }};
  openWithStore(world, {persist: false});
  new Sync(new FakeApp(), {authenticator: new FakeAuthenticator()}); // keeps its own
  assert.strictEqual(asked, 0);
  openWithStore(world);
  assert.strictEqual(asked, 1);
});

test('batches keep to the limits that /info names; a larger object is set aside unsent', async () => {
  const world = new World();
  world.server.info = {max_post_bytes: 4000, max_post_objects: 60, max_object_bytes: 500};
  const one = world.storeDevice('one');
  await one.store.put(Array.from({length: 200}, (_, i) => note('n' + i, 'ü'.repeat(20))));
  await one.put('large', 'x'.repeat(600));
  assert.strictEqual((await one.sync()).error.detail[0].code, 'too_large');
  assert.strictEqual(world.server.stored().length, 200);
  for (const {body} of world.server.sent('POST')) {
    assert.ok(Buffer.byteLength(body) <= 4000 && JSON.parse(body).length <= 60);
  }
  assert.strictEqual(world.server.requests.filter(request => request.path === '/info').length, 1);
});

test('a server without /info is served all the same', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.store.put(Array.from({length: 200}, (_, i) => note('n' + i, i)));
  const fetch = Sync.env.fetch;
  Sync.env.fetch = (url, init) => url.endsWith('/info') ? Promise.reject(new TypeError('no')) : fetch(url, init);
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(world.server.stored().length, 200);
});
