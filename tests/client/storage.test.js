import test from 'node:test';
import assert from 'node:assert';
import {World, Sync} from './support/world.js';

test('keeps values of any JSON type under its prefix', () => {
  const world = new World();
  const store = new Sync.LocalStorage('p::');
  store.put({a: {deep: [1]}, b: 0}, error => assert.strictEqual(error, null));
  store.put('c', 'text');
  store.get(['a', 'b', 'c', 'none'], values =>
    assert.deepStrictEqual(values, {a: {deep: [1]}, b: 0, c: 'text', none: null}));
  store.get('c', value => assert.strictEqual(value, 'text'));
  assert.strictEqual(world.localStorage.getItem('p::c'), '"text"');
});

test('null removes a value', () => {
  const world = new World();
  const store = new Sync.LocalStorage('p::');
  store.put('a', 1);
  store.put('a', null);
  assert.strictEqual(world.localStorage.length, 0);
});

test('clear removes what has the prefix and nothing else', () => {
  const world = new World();
  world.localStorage.setItem('other', '1');
  const store = new Sync.LocalStorage('p::');
  store.put({a: 1, b: 2});
  store.clear(error => assert.strictEqual(error, null));
  assert.deepStrictEqual([...world.localStorage.items.keys()], ['other']);
});

test('clear without a prefix is refused', () => {
  const world = new World();
  world.localStorage.setItem('other', '1');
  new Sync.LocalStorage('').clear(error => assert.strictEqual(error.error, 'no_prefix'));
  assert.strictEqual(world.localStorage.length, 1);
});

test('a full storage is an error of put', () => {
  const world = new World();
  world.localStorage.room = 3;
  new Sync.LocalStorage('p::').put('a', 'long text', error => assert.match(error.message, /Quota/));
});

test('a store may be slow, and may call back with an error first', async () => {
  const world = new World();
  const kept = {};
  const slow = {
    get: (name, done) => setImmediate(() => done(null, kept[name])),
    put: (values, done) => setImmediate(() => { Object.assign(kept, values); done(null); }),
  };
  const one = world.device('one');
  const service = new Sync.Service(one.server, one.app, slow);
  one.app.edit('a', 1);
  await new Promise(resolve => service.syncNow(resolve));
  assert.strictEqual(kept.syncState.position, 1);
});

test('lastSyncTime is 0 before the first sync, and known again after a reload', async () => {
  const world = new World();
  const one = world.device('one');
  assert.strictEqual(one.service.lastSyncTime(), 0);
  await one.sync();
  assert.strictEqual(one.service.lastSyncTime(), world.clock.now());
  const reloaded = one.reload();
  await new Promise(resolve => setImmediate(resolve));
  assert.strictEqual(reloaded.service.lastSyncTime(), world.clock.now());
});

test('a failed sync is no successful one', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.failNext('GET', 500);
  await one.sync();
  assert.strictEqual(one.service.lastSyncTime(), 0);
});
