import test from 'node:test';
import assert from 'node:assert';
import {World, Sync} from './support/world.js';

test('retries a lost answer with identical bytes', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'first');
  world.server.loseAnswer('POST');
  assert.strictEqual((await one.sync()).error.error, 'network');
  one.app.edit('a', 'second'); // the user goes on
  assert.strictEqual((await one.sync()).error, null);
  const [lost, again, next] = world.server.sent('POST');
  assert.strictEqual(again.url, lost.url);
  assert.strictEqual(again.body, lost.body);
  assert.strictEqual(next.query.seq, '2');
  assert.deepStrictEqual(world.server.stored().map(o => o.data), ['first', 'second']);
});

test('a stored batch whose answer was lost is not stored twice', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'text');
  world.server.loseAnswer('POST');
  await one.sync();
  await one.sync();
  assert.strictEqual(world.server.stored().length, 1);
  assert.strictEqual(one.app.dirty.size, 0);
  assert.deepStrictEqual(one.app.received, []);
});

test('a reload between a POST and its answer loses and doubles nothing', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'text');
  world.server.loseAnswer('POST');
  await one.sync();
  const reloaded = one.reload();
  assert.strictEqual((await reloaded.sync()).error, null);
  const [lost, again] = world.server.sent('POST');
  assert.deepStrictEqual([again.url, again.body], [lost.url, lost.body]);
  assert.deepStrictEqual(one.app.saved, [[{id: 'a', type: 'note', data: 'text'}]]);
  assert.strictEqual(world.server.stored().length, 1);
});

test('the newer edit survives the echo of the older one', async () => {
  const world = new World();
  const one = world.device('one');
  const two = world.device('two');
  one.app.edit('a', 'first');
  world.server.loseAnswer('POST');
  await one.sync();
  one.app.edit('a', 'second');
  two.app.edit('b', 'by two');
  await two.sync();
  await one.sync();
  assert.strictEqual(one.app.data('a'), 'second');
  assert.deepStrictEqual(one.app.received, [[{id: 'b', type: 'note', data: 'by two'}]]);
  assert.deepStrictEqual(world.server.stored().map(o => o.data), ['first', 'by two', 'second']);
});

test('a batch that never arrived is refused for what is newer, merged and sent with a new number', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'mine');
  world.server.refuseConnection('POST');
  await one.sync();
  world.server.append([{id: 'b', type: 'note', data: 'theirs'}]);
  assert.strictEqual((await one.sync()).error, null);
  assert.deepStrictEqual(world.server.sent('POST').map(r => r.query.seq), ['1', '1', '2']);
  assert.deepStrictEqual(world.server.stored().map(o => o.data), ['theirs', 'mine']);
});

test('own objects are never delivered as another device\'s', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'text');
  await one.sync();
  const state = one.state(); // as if the position had not reached the disk
  world.localStorage.setItem('one::syncState', JSON.stringify(Object.assign(state, {position: 0})));
  world.server.append([{id: 'b', type: 'note', data: 'theirs'}]);
  await one.sync();
  assert.deepStrictEqual(one.app.received, [[{id: 'b', type: 'note', data: 'theirs'}]]);
});

test('an own version hides an older one of someone else, not a newer one', async () => {
  const world = new World();
  const one = world.device('one');
  const objects = [[1, {id: 'a', data: 'theirs'}], [2, {id: 'a', data: 'mine'}],
    [3, {id: 'b', data: 'mine'}], [4, {id: 'b', data: 'theirs'}]];
  world.server.meetNext('GET', () => ({status: 200, body: {objects, mine: [2, 3]}}));
  await one.sync();
  assert.deepStrictEqual(one.app.received, [[{id: 'b', data: 'theirs'}]]);
});

test('when objectsSaved fails the batch is asked about again', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 'text');
  one.app.objectsSaved = async () => { throw new Error('disk full'); };
  assert.strictEqual((await one.sync()).error.message, 'disk full');
  delete one.app.objectsSaved;
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(one.app.dirty.size, 0);
  assert.strictEqual(world.server.stored().length, 1);
});

for (const status of [401, 408, 429, 500, 502, 503]) {
  test(`after a ${status} the batch goes again as it was`, async () => {
    const world = new World();
    const one = world.device('one');
    one.app.edit('a', 'text');
    world.server.failNext('POST', status);
    assert.strictEqual((await one.sync()).error.code, status);
    await one.sync();
    const [first, again] = world.server.sent('POST');
    assert.strictEqual(again.url, first.url);
    assert.strictEqual(world.server.stored().length, 1);
  });
}

test('a batch number is not used twice, even when the batch did not fit into the storage', async () => {
  const world = new World();
  const one = world.device('one');
  world.localStorage.room = 400;
  one.app.edit('a', 'x'.repeat(500));
  world.server.loseAnswer('POST');
  await one.sync();
  one.app.edit('b', 'other');
  assert.strictEqual((await one.sync()).error, null);
  assert.deepStrictEqual(world.server.sent('POST').map(r => r.query.seq), ['1', '2']);
  assert.strictEqual(world.server.stored().pop().id, 'b');
  assert.strictEqual(one.app.dirty.size, 0);
});

test('a storage that went back in time gets a new client id before it puts', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  await one.sync();
  const before = world.localStorage.getItem('one::syncState');
  one.app.edit('b', 2);
  await one.sync();
  world.localStorage.setItem('one::syncState', before);
  one.app.edit('c', 3);
  assert.strictEqual((await one.reload().sync()).error, null);
  assert.deepStrictEqual(world.server.stored().map(o => o.id), ['a', 'b', 'c']);
  assert.notStrictEqual(one.state().client, JSON.parse(before).client);
});

test('a storage that went back in time is given what it has sent since', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  await one.sync();
  const before = world.localStorage.getItem('one::syncState');
  one.app.edit('b', 2);
  await one.sync();
  world.localStorage.setItem('one::syncState', before); // a restored profile, a crash of the browser:
  one.app.objects.delete('b');                          // the app's data are as old
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(one.app.data('b'), 2);
});

test('two tabs that cannot take turns never take each other\'s answer for their own', async () => {
  const world = new World();
  Sync.env.locks = null; // an old browser, or plain http
  const one = world.device('one');
  one.app.edit('a', 0);
  await one.sync();
  let first;
  const late = Object.create(one.app); // the same app in a second tab, whose store is slow
  late.getPendingObjects = async callback => {
    await first;
    one.app.edit('a', 2); // meanwhile the user went on
    one.app.getPendingObjects(callback);
  };
  const two = world.device('one', {app: late});
  one.app.edit('a', 1);
  const second = two.sync();
  first = one.sync();
  await second;
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(world.server.stored().pop().data, 2);
});

test('an answer with the wrong number of counters saves nothing', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.edit('a', 1);
  world.server.meetNext('POST', () => ({status: 200, body: {object_counters: [1, 2]}}));
  assert.strictEqual((await one.sync()).error.error, 'bad_answer');
  assert.deepStrictEqual([...one.app.dirty], ['a']);
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(world.server.stored().length, 1);
});

test('a request without an answer is given up after a minute', async () => {
  const world = new World();
  const one = world.device('one');
  world.server.meetNext('GET', () => new Promise(() => {}));
  const syncing = one.sync();
  await world.clock.pass(59999);
  assert.deepStrictEqual(world.clock.due, [1]);
  await world.clock.pass(1);
  assert.strictEqual((await syncing).error.error, 'timeout');
  assert.deepStrictEqual(world.clock.due, []);
});

test('tabs with one storage take turns', async () => {
  const world = new World();
  Sync.env.locks = new OneLock();
  const one = world.device('one');
  const tab = one.reload();
  one.app.edit('a', 1);
  await Promise.all([one.sync(), tab.sync()]);
  one.app.edit('b', 2);
  await Promise.all([tab.sync(), one.sync()]);
  assert.deepStrictEqual(world.server.stored().map(o => o.id), ['a', 'b']);
  assert.strictEqual(Sync.env.locks.most, 1);
  assert.deepStrictEqual(Sync.env.locks.names, ['cutout-sync app.test/ann%40example.com/notes']);
});

test('a tab that settles the batch of another reports what the other one sent', async () => {
  const world = new World();
  const one = world.device('one');
  const tab = one.reload();
  one.app.edit('a', 'of the first tab');
  world.server.failNext('POST', 403);
  await one.sync();
  tab.app.edit('a', 'of the other tab');
  world.server.loseAnswer('POST');
  await tab.sync();
  await one.sync();
  assert.strictEqual(one.app.saved[0][0].data, 'of the other tab');
});

test('a tab that waits too long for its turn says so', async () => {
  const world = new World();
  Sync.env.locks = {request: (name, {signal}) => new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')));
  })};
  const one = world.device('one');
  const syncing = one.sync();
  await world.clock.pass(60000);
  assert.strictEqual((await syncing).error.error, 'locked');
});

/* The part of navigator.locks that is used. */
class OneLock {
  constructor() { this.last = Promise.resolve(); this.running = this.most = 0; this.names = []; }
  request(name, options, work) {
    if (!this.names.includes(name)) this.names.push(name);
    const run = async () => {
      this.most = Math.max(this.most, ++this.running);
      try { return await work(); } finally { this.running--; }
    };
    const result = this.last.then(run);
    this.last = result.catch(() => {});
    return result;
  }
}
