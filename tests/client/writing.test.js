import test from 'node:test';
import assert from 'node:assert';
import {Sync, World, FakeApp, FakeAuthenticator, PATH} from './support/world.js';

test('much that is pending goes in batches that servers and storages take', async () => {
  const world = new World();
  const one = world.device('one');
  for (let i = 0; i < 30; i++) one.app.edit('n' + i, 'x'.repeat(100000));
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(world.server.stored().length, 30);
  for (const {body} of world.server.sent('POST')) assert.ok(body.length < 1 << 20, body.length);
});

test('puts what is pending and reports it saved', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'text');
  assert.strictEqual((await one.sync()).error, null);
  assert.deepStrictEqual(world.server.stored(), [{id: 'a', type: 'note', data: 'text'}]);
  assert.strictEqual(one.app.dirty.size, 0);
  assert.strictEqual(one.state().position, 1);
  assert.deepStrictEqual(one.app.statuses.map(s => s.status),
    ['sync_start', 'sync_get', 'sync_put', 'sync_put_complete', 'sync_done']);
});

test('sends a body as plain text, so that a browser asks no permission first', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'text');
  await one.sync();
  assert.deepStrictEqual(world.server.sent('POST')[0].headers, {'Content-Type': 'text/plain;charset=UTF-8'});
  assert.deepStrictEqual(world.server.sent('GET')[0].headers, {});
});

test('saved objects are the very objects the app gave', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'text');
  const given = one.app.objects.get('a');
  await one.sync();
  assert.strictEqual(one.app.saved[0][0], given);
});

test('understands getPendingObjects that calls back with the list alone', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.getPendingObjects = callback => callback([{id: 'a', data: 1}]);
  await one.sync();
  assert.deepStrictEqual(world.server.stored(), [{id: 'a', data: 1}]);
});

test('an error of getPendingObjects ends the sync and is passed on', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.getPendingObjects = callback => callback(new Error('no database'));
  assert.strictEqual((await one.sync()).error.message, 'no database');
});

test('a saved blob has the address the server gave it', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.getPendingObjects = done => done(null, one.app.saved.length ? [] :
    [{id: 'x', type: 'file', blob: {content_type: 'text/plain', data: 'aGk='}}]);
  await one.sync();
  assert.strictEqual(one.app.saved[0][0].blob.href, 'http://sync.test/blob/x');
});

test('a conflict is merged and put again', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('mine', 1);
  world.server.meetNext('GET', (request, answer) => {
    const now = answer();
    world.server.append([{id: 'theirs', type: 'note', data: 2}]); // between our GET and our POST
    return now;
  });
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(one.app.data('theirs'), 2);
  assert.deepStrictEqual(world.server.stored().map(o => o.id), ['theirs', 'mine']);
  assert.deepStrictEqual(world.server.sent('POST').map(r => r.query.since), ['0', '1']);
  assert.deepStrictEqual(world.server.sent('POST').map(r => r.query.seq), ['1', '2']);
});

test('a conflict is understood in the old spelling too', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('mine', 1);
  world.server.meetNext('POST', () => ({status: 200,
    body: {invalid_since: true, objects: [[1, {id: 'theirs', type: 'note', data: 2}]]}}));
  await one.sync();
  assert.strictEqual(one.app.data('theirs'), 2);
  assert.strictEqual(world.server.sent('POST').length, 2);
});

test('a conflict of several pages is read to its end before it puts again', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.pageSize = 2;
  one.app.edit('mine', 1);
  world.server.meetNext('GET', (request, answer) => {
    const now = answer();
    world.server.append([1, 2, 3, 4, 5].map(id => ({id, type: 'note', data: id})));
    return now;
  });
  assert.strictEqual((await one.sync()).error, null);
  assert.deepStrictEqual(world.server.stored().map(o => o.id), [1, 2, 3, 4, 5, 'mine']);
  assert.deepStrictEqual(world.server.sent('POST').map(r => r.query.since), ['0', '5']);
});

test('gives up on a server that never agrees, and keeps what is pending', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('mine', 1);
  for (let i = 0; i < 100; i++) {
    world.server.meetNext('POST', () => ({status: 200, body: {since_invalid: true, objects: []}}));
  }
  assert.strictEqual((await one.sync()).error.error, 'conflict');
  assert.deepStrictEqual([...one.app.dirty], ['mine']);
});

test('a put that meets a changed collection starts over in the new one', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  await one.sync();
  one.app.edit('b', 2);
  world.server.meetNext('GET', (request, answer) => {
    const now = answer();
    world.server.restore([]);
    world.server.append([{id: 'new', type: 'note', data: 3}]);
    return now;
  });
  assert.strictEqual((await one.sync()).error, null);
  assert.deepStrictEqual(world.server.stored().map(o => o.id).sort(), ['a', 'b', 'new']);
});

test('refused objects are reported, the rest is sent', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.refuses = object => object.data === 'bad' ? 'no_such_type' : null;
  one.app.edit('a', 'good');
  one.app.edit('b', 'bad');
  one.app.edit('c', 'good');
  const {error} = await one.sync();
  assert.strictEqual(error.error, 'objects_refused');
  assert.deepStrictEqual(one.app.errors.map(e => [e.object.id, e.code]), [['b', 'no_such_type']]);
  assert.deepStrictEqual(world.server.stored().map(o => o.id), ['a', 'c']);
});

test('a refused object rests until it is changed', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.refuses = object => object.data === 'bad' ? 'nope' : null;
  one.app.edit('b', 'bad');
  await one.sync();
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(world.server.sent('POST').length, 1);
  one.app.edit('b', 'mended');
  await one.sync();
  assert.deepStrictEqual(world.server.stored().map(o => o.data), ['mended']);
});

test('a 400 that names no object is an error, and everything stays pending', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  world.server.failNext('POST', 400, {}, {error: 'bad_json', message: 'not JSON at byte 7'});
  const {error} = await one.sync();
  assert.deepStrictEqual([error.error, error.code, error.message], ['bad_json', 400, 'not JSON at byte 7']);
  assert.deepStrictEqual([...one.app.dirty], ['a']);
  assert.strictEqual((await one.sync()).error, null);
});

test('a batch that is too large goes in halves', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.maxObjects = 3;
  for (let i = 0; i < 10; i++) one.app.edit('n' + i, i);
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(world.server.stored().length, 10);
  assert.strictEqual(one.app.dirty.size, 0);
});

test('a single object that is too large is reported, the rest is sent', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'small');
  one.app.edit('b', 'large');
  const large = (request, answer) => request.body.includes('large')
    ? {status: 413, body: {error: 'max_object_bytes', message: 'too large'}} : answer();
  for (let i = 0; i < 4; i++) world.server.meetNext('POST', large);
  const {error} = await one.sync();
  assert.strictEqual(error.error, 'objects_refused');
  assert.deepStrictEqual(one.app.errors.map(e => [e.object.id, e.error, e.code]),
    [['b', 'too large', 'max_object_bytes']]);
  assert.deepStrictEqual(world.server.stored().map(o => o.id), ['a']);
});

test('what is pending goes in one batch, however much it is', async () => {
  const world = new World();
  const one = world.device('one');
  for (let i = 0; i < 5000; i++) one.app.edit('n' + i, i);
  await one.sync();
  assert.deepStrictEqual(one.app.saved.map(list => list.length), [5000]);
});

test('a full quota is an error in the server\'s words and nothing is dropped', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  world.server.failNext('POST', 507, {}, {error: 'quota', message: 'quota of 100 MB reached'});
  assert.strictEqual((await one.sync()).error.message, 'quota of 100 MB reached');
  assert.deepStrictEqual([...one.app.dirty], ['a']);
  assert.strictEqual(one.state().batch, null);
});

test('a 401 keeps everything and says so', async () => {
  const world = new World();
  const one = world.device('one');
  let told = 0;
  one.server.onautherror = () => told++;
  one.app.edit('a', 1);
  world.server.failNext('POST', 401, {}, {error: 'token_expired', message: 'log in again'});
  const {error} = await one.sync();
  assert.strictEqual(error.code, 401);
  assert.strictEqual(told, 1);
  assert.strictEqual(one.app.statuses[one.app.statuses.length - 1].error, 'auth');
  assert.deepStrictEqual([...one.app.dirty], ['a']);
  assert.strictEqual(one.authenticator.loggedIn(), true);
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(world.server.stored().length, 1);
});

test('an answer that is no JSON is an error', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.meetNext('GET', () => ({status: 200, body: '<html>welcome to the hotel</html>'}));
  assert.strictEqual((await one.sync()).error.error, 'invalid_json');
});

test('an edit made while the sync runs stays pending', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'first');
  world.server.meetNext('POST', (request, answer) => {
    one.app.edit('a', 'second');
    return answer();
  });
  await one.sync();
  assert.deepStrictEqual([...one.app.dirty], ['a']);
  await one.sync();
  assert.deepStrictEqual(world.server.stored().map(o => o.data), ['first', 'second']);
  assert.strictEqual(one.app.data('a'), 'second');
});

test('two devices that write in turn end up equal', async () => {
  const world = new World();
  const one = world.device('one');
  const two = world.device('two');
  one.app.edit('a', 'by one');
  await one.sync();
  two.app.edit('b', 'by two');
  await two.sync();
  two.app.remove('a');
  await two.sync();
  await one.sync();
  const list = device => [...device.app.objects.values()].filter(o => !o.deleted).map(o => o.data);
  assert.deepStrictEqual(list(one), ['by two']);
  assert.deepStrictEqual(list(two), ['by two']);
});

test('the server url of the options wins over the one the file was served from', async () => {
  new World();
  const sync = url => new Sync(new FakeApp(), {serverUrl: url, authenticator: new FakeAuthenticator()});
  assert.strictEqual(sync(undefined).server._baseUrl, 'http://sync.test');
  assert.strictEqual(sync('https://other.test/base/').server._baseUrl, 'https://other.test/base');
  assert.strictEqual(sync('/base').server._baseUrl, 'http://sync.test/base');
  Sync.baseUrl = null;
  assert.strictEqual(sync(undefined).server._baseUrl, 'http://app.test');
});
