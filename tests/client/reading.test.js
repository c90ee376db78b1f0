import test from 'node:test';
import assert from 'node:assert';
import {Sync, World, outcome, settle, EMAIL, PATH} from './support/world.js';

test('addresses a collection by domain, user and bucket, each percent-encoded', async () => {
  const world = new World();
  const one = world.device('one');
  await one.sync();
  assert.strictEqual(world.server.requests[0].path, PATH);
  assert.ok(world.server.requests[0].url.startsWith('http://sync.test/app.test/ann%40example.com/notes?since=0'));
});

test('a bucket may have several segments, or be a template of the whole address', () => {
  const path = (bucket, user) => Sync.Server.pathOf(bucket, 'app.test', user || EMAIL);
  assert.strictEqual(path('a b/c'), 'app.test/ann%40example.com/a%20b/c');
  assert.strictEqual(path('shared/{user}/{domain}'), 'shared/ann%40example.com/app.test');
  assert.throws(() => path('a/../b'), /no name/);
  assert.strictEqual(path('x', '$&/../y'), 'app.test/%24%26%2F..%2Fy/x');
});

test('delivers what another device wrote and goes on from there', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.append([{id: 'a', type: 'note', data: 1}], PATH);
  assert.strictEqual((await one.sync()).error, null);
  assert.deepStrictEqual(one.app.received, [[{id: 'a', type: 'note', data: 1}]]);
  await one.sync();
  assert.strictEqual(world.server.requests[1].query.since, '1');
  assert.strictEqual(one.app.received.length, 1);
});

test('remembers the collection id, sends it, and takes 204 as nothing new', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.append([{id: 'a', data: 1}], PATH);
  await one.sync();
  assert.strictEqual(world.server.requests[0].query.collection_id, undefined);
  world.clock.time += 5000;
  const {error} = await one.sync();
  assert.strictEqual(error, null);
  assert.strictEqual(world.server.requests[1].query.collection_id, 'collection-1');
  assert.strictEqual(one.service.lastSyncTime(), world.clock.time);
  assert.strictEqual(one.app.received.length, 1);
});

test('reads page after page while the answer is incomplete', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.pageSize = 2;
  world.server.append([1, 2, 3, 4, 5].map(id => ({id, data: id})), PATH);
  await one.sync();
  assert.deepStrictEqual(one.app.received.map(page => page.map(o => o.id)), [[1, 2], [3, 4], [5]]);
  assert.deepStrictEqual(world.server.requests.map(r => r.query.since), ['0', '2', '4']);
});

test('stops with an error when an incomplete answer brings it nowhere', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.meetNext('GET', () => ({status: 200, body: {objects: [], incomplete: true}}));
  assert.strictEqual((await one.sync()).error.error, 'bad_answer');
});

test('moves to until when it is beyond the last object', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.meetNext('GET', () => ({status: 200, body: {objects: [[3, {id: 'a'}]], until: 9, collection_id: 'c'}}));
  await one.sync();
  assert.strictEqual(one.state().position, 9);
  world.server.meetNext('GET', () => ({status: 200, body: {objects: [], until: 12}}));
  await one.sync();
  assert.strictEqual(one.state().position, 12);
});

test('delivers only the last version of an object in an answer', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.append([{id: 'a', data: 1}, {id: 'b', data: 1}, {id: 'a', data: 2},
    {id: 'a', type: 'other', data: 3}], PATH);
  await one.sync();
  assert.deepStrictEqual(one.app.received, [[{id: 'b', data: 1}, {id: 'a', data: 2},
    {id: 'a', type: 'other', data: 3}]]);
});

test('keeps the objects without id apart', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.append([{data: 1}, {data: 2}], PATH);
  await one.sync();
  assert.deepStrictEqual(one.app.received, [[{data: 1}, {data: 2}]]);
});

test('does not move its position when the app fails to take the objects', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.append([{id: 'a', data: 1}], PATH);
  one.app.objectsReceived = () => { throw new Error('disk full'); };
  assert.strictEqual((await one.sync()).error.message, 'disk full');
  one.app.objectsReceived = () => Promise.reject(new Error('disk still full'));
  assert.strictEqual((await one.sync()).error.message, 'disk still full');
  delete one.app.objectsReceived;
  await one.sync();
  assert.deepStrictEqual(one.app.received, [[{id: 'a', data: 1}]]);
});

test('waits for the promise of objectsReceived before the position is stored', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.append([{id: 'a', data: 1}], PATH);
  let during;
  one.app.objectsReceived = async () => {
    await null;
    during = one.state().position;
  };
  await one.sync();
  assert.strictEqual(during, 0);
  assert.strictEqual(one.state().position, 1);
});

test('a changed collection resets the app and is delivered from its start', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('mine', 'kept');
  await one.sync();
  world.server.restore([{id: 'old', type: 'note', data: 'from the backup'}]);
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(one.app.resets, 1);
  assert.strictEqual(one.app.data('old'), 'from the backup');
  assert.deepStrictEqual(world.server.stored().map(o => o.id), ['old', 'mine']);
  assert.strictEqual(one.state().collectionId, 'collection-2');
});

test('a restored server gives own objects back as well, for they count as unseen', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'first');
  await one.sync();
  const clients = world.server.only.clients;
  world.server.restore([{id: 'a', type: 'note', data: 'first'}]);
  world.server.only.clients = clients; // the backup knows this client
  clients[one.state().client].all = new Set([world.server.only.counter]);
  await one.sync();
  assert.deepStrictEqual(one.app.received, [[{id: 'a', type: 'note', data: 'first'}]]);
});

test('a deleted collection is an error that says why, and nothing is put', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  await one.sync();
  one.app.edit('b', 2);
  world.server.only.deleted = {reason: 'spring cleaning', client_id: 'x'};
  const {error} = await one.sync();
  assert.deepStrictEqual(error.collection_deleted, {reason: 'spring cleaning', client_id: 'x'});
  assert.strictEqual(world.server.sent('POST').length, 1);
  assert.deepStrictEqual([...one.app.dirty], ['b']);
});

test('forcePut starts a deleted collection again with all the app has', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  await one.sync();
  one.app.edit('b', 2);
  world.server.remove(world.server.only, '{"reason": "x"}');
  assert.strictEqual((await one.sync(true)).error, null);
  assert.deepStrictEqual(world.server.stored().map(o => o.id).sort(), ['a', 'b']);
  const post = world.server.sent('POST')[1];
  assert.strictEqual(post.query.since, '0');
  assert.strictEqual(post.query.collection_id, undefined);
});

test('deleteCollection sends the reason and who it was', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  await one.sync();
  const {error, result} = await outcome(done => one.service.deleteCollection('moved', done));
  assert.strictEqual(error, null);
  assert.deepStrictEqual(result, {});
  assert.deepStrictEqual(world.server.only.deleted, {client_id: one.state().client, reason: 'moved'});
  assert.deepStrictEqual(world.server.sent('POST')[1].query,
    {delete: '', collection_id: 'collection-1'});
});

test('another user starts from scratch, with the app told to forget what was saved', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.append([{id: 'a', data: 'ann'}], PATH);
  await one.sync();
  one.authenticator.login('bob@example.com');
  await one.sync();
  assert.strictEqual(one.app.resets, 1);
  assert.strictEqual(world.server.requests[1].path, '/app.test/bob%40example.com/notes');
  assert.strictEqual(world.server.requests[1].query.since, '0');
  assert.strictEqual(world.server.requests[1].query.collection_id, undefined);
});

test('a login in the middle of a sync sends nothing to the wrong collection', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'of ann');
  const pending = one.app.getPendingObjects.bind(one.app);
  one.app.getPendingObjects = done => { one.authenticator.login('bob@example.com'); pending(done); };
  assert.strictEqual((await one.sync()).error.error, 'user_changed');
  assert.strictEqual(world.server.sent('POST').length, 0);
});

test('without a login nothing is asked', async () => {
  const world = new World();
  const one = world.device('one');
  one.authenticator.logout();
  assert.strictEqual((await one.sync()).error.error, 'not_logged_in');
  assert.strictEqual(world.server.requests.length, 0);
});

test('reset forgets the position, and own objects come back', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  await one.sync();
  one.app.objects.clear();
  await outcome(done => one.service.reset(done));
  assert.strictEqual(one.app.resets, 1);
  await one.sync();
  assert.strictEqual(one.app.data('a'), 1);
});

test('syncs that are asked for together run one after another', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  const results = await Promise.all([one.sync(), one.sync()]);
  assert.deepStrictEqual(results.map(r => r.error), [null, null]);
  assert.deepStrictEqual(world.server.requests.map(r => r.method), ['GET', 'POST', 'GET']);
});

test('an empty answer leaves the position where it is', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.append([{id: 'a', data: 1}], PATH);
  await one.sync();
  world.server.meetNext('GET', () => ({status: 200, body: {objects: []}}));
  await one.sync();
  assert.strictEqual(one.state().position, 1);
});

test('a cancelled request is no failure of the server', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.append([{id: 'a', data: 1}], PATH);
  await one.sync();
  const told = [];
  one.server.onretryafter = value => told.push(value);
  const cancel = one.service.waitForNews(25, (...result) => told.push(result));
  await settle();
  cancel();
  await settle();
  assert.deepStrictEqual(told, []);
});
