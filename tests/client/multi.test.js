/* One app on several servers. The fake network tells them apart by host name. */
import test from 'node:test';
import assert from 'node:assert';
import {Sync, World, FakeAuthenticator, MemoryDatabase} from './support/world.js';
import {FakeServer} from './support/fake_server.js';

const note = (id, data) => ({type: 'note', id, data});
const SECOND = 1000;

function makeServers() {
  const world = new World();
  const servers = {'a.test': world.server, 'b.test': new FakeServer(world.clock)};
  Sync.env.fetch = (url, init) => servers[new URL(url).hostname].fetch(url, init);
  const store = new Sync.IndexedDBStore('notes', {database: new MemoryDatabase()});
  const at = host => ({serverUrl: `http://${host}`, appName: 'notes', wait: 0,
    authenticator: new FakeAuthenticator(`ann@${host}`)});
  return {world, a: servers['a.test'], b: servers['b.test'], store, at};
}

const live = server => {
  const last = new Map(server.stored().map(object => [object.id, object]));
  return [...last.values()].filter(object => !object.deleted).map(object => [object.id, object.data]).sort();
};

test('what is written on one server reaches the other, deletions included, and nothing twice', async () => {
  const {world, a, b, store, at} = makeServers();
  const multi = new Sync.Multi([at('a.test'), at('b.test')], store);
  await world.clock.pass(SECOND);
  await store.put(note('mine', 1));
  await world.clock.pass(SECOND);
  a.append([note('x', 'from a'), note('y', 'from a')]);
  b.append([note('z', 'from b')]);
  await multi.syncNow();
  await world.clock.pass(SECOND);
  const all = [['mine', 1], ['x', 'from a'], ['y', 'from a'], ['z', 'from b']];
  assert.deepStrictEqual(live(a), all);
  assert.deepStrictEqual(live(b), all);
  b.append([{type: 'note', id: 'x', deleted: true}]);
  await multi.syncNow();
  await multi.syncNow();
  assert.deepStrictEqual(live(a), all.filter(([id]) => id !== 'x'));
  assert.strictEqual(a.stored().length, 5);
  assert.deepStrictEqual(multi.status().map(status => status.pending), [0, 0]);
});

test('what comes from one server goes to the other within a second, without being asked', async () => {
  const {world, a, b, store, at} = makeServers();
  const multi = new Sync.Multi([at('a.test'), at('b.test')], store);
  await world.clock.pass(SECOND);
  a.append([note('x', 1)], '/app.test/ann%40a.test/notes');
  await multi.syncs[0].syncNow();
  await world.clock.pass(SECOND);
  assert.deepStrictEqual(live(b), [['x', 1]]);
});

test('a user moves from one server to another without an export', async () => {
  const {world, a, b, store, at} = makeServers();
  const only = new Sync(store, {...at('a.test')});
  await world.clock.pass(SECOND);
  await store.put([note('x', 1), note('y', 2)]);
  await store.delete(note('y'));
  await world.clock.pass(SECOND);
  only.close();
  const multi = new Sync.Multi([at('a.test')], store);
  await world.clock.pass(SECOND);
  const moved = multi.add(at('b.test'));
  await assert.rejects(multi.remove(multi.syncs[0]), {error: 'not_moved'});
  await multi.syncNow();
  await multi.remove(multi.syncs[0]);
  assert.deepStrictEqual(multi.syncs, [moved]);
  const before = a.requests.length;
  await store.put(note('z', 3));
  await world.clock.pass(SECOND);
  assert.deepStrictEqual(live(b), [['x', 1], ['z', 3]]);
  assert.strictEqual(a.requests.length, before);
  assert.strictEqual(await store.countPending(), 0);
});

test('a server that cannot be reached is given what it missed later', async () => {
  const {world, a, b, store, at} = makeServers();
  const multi = new Sync.Multi([at('a.test'), at('b.test')], store);
  await world.clock.pass(SECOND);
  for (let i = 0; i < 3; i++) b.refuseConnection('GET');
  await store.put(note('x', 1));
  await world.clock.pass(SECOND / 2);
  assert.deepStrictEqual([a.stored().length, b.only.entries.length], [1, 0]);
  assert.strictEqual(await store.countPending(), 1);
  await world.clock.pass(60 * SECOND);
  assert.deepStrictEqual(live(b), [['x', 1]]);
  multi.close();
});

test('different versions on two servers end as one', async () => {
  const {world, a, b, store, at} = makeServers();
  a.append([note('x', 'a')], '/app.test/ann%40a.test/notes');
  b.append([note('x', 'b')], '/app.test/ann%40b.test/notes');
  const multi = new Sync.Multi([at('a.test'), at('b.test')], store);
  await world.clock.pass(SECOND);
  await multi.syncNow();
  assert.deepStrictEqual(live(a), live(b));
});

test('needs a store', () => {
  const {at} = makeServers();
  assert.throws(() => new Sync.Multi([at('a.test')], {}), /IndexedDBStore/);
});
