import test from 'node:test';
import assert from 'node:assert';
import {World, PATH} from './support/world.js';

const note = (id, data) => ({type: 'note', id, data});
const gone = id => ({type: 'note', id, deleted: true});

/* What an observer is told: [id, data or 'gone', remote?]. */
function watch(store) {
  const told = [];
  store.observe(changes => told.push(...changes.map(({object, remote}) =>
    [object.id, object.deleted ? 'gone' : object.data, Boolean(remote)])));
  return told;
}

test('puts, gets, lists, deletes and observes', async () => {
  const {store} = new World().storeDevice('one');
  const told = watch(store);
  await store.put([note('a', 1), {id: 7, data: 'other'}]);
  await store.put(note('a', 2));
  assert.deepStrictEqual(await store.get({type: 'note', id: 'a'}), note('a', 2));
  assert.deepStrictEqual((await store.list()).length, 2);
  assert.deepStrictEqual(await store.list('note'), [note('a', 2)]);
  await store.delete(note('a', 2));
  assert.strictEqual(await store.get({type: 'note', id: 'a'}), undefined);
  assert.deepStrictEqual(await store.list('note'), []);
  assert.deepStrictEqual(told, [['a', 1, false], [7, 'other', false], ['a', 2, false], ['a', 'gone', false]]);
});

test('what it gives and takes is not shared with the app', async () => {
  const {store} = new World().storeDevice('one');
  const mine = note('a', {list: [1]});
  await store.put(mine);
  mine.data.list.push(2);
  assert.deepStrictEqual((await store.get(mine)).data, {list: [1]});
});

test('an observer ends by its function or a signal', async () => {
  const {store} = new World().storeDevice('one');
  const told = [];
  const aborter = new AbortController();
  const end = store.observe(() => told.push('function'));
  store.observe(() => told.push('signal'), {signal: aborter.signal});
  await store.put(note('a', 1));
  end();
  aborter.abort();
  await store.put(note('a', 2));
  assert.deepStrictEqual(told, ['function', 'signal']);
});

test('refuses what no server would take, and stores nothing of the list', async () => {
  const {store} = new World().storeDevice('one');
  await assert.rejects(store.put([note('a', 1), {data: 2}]), {error: 'bad_object'});
  assert.deepStrictEqual(await store.list(), []);
});

test('what was put before the first sync is sent, and no deletion of what never was anywhere', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.put('a', 1);
  await one.put('b', 2);
  await one.remove('b');
  assert.strictEqual((await one.sync()).error, null);
  assert.deepStrictEqual(world.server.stored(), [note('a', 1)]);
  assert.strictEqual(await one.store.countPending(), 0);
});

test('edits and deletions reach the other device', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  const two = world.storeDevice('two');
  const told = watch(two.store);
  await one.put('a', 1);
  await one.sync();
  await two.sync();
  await one.put('a', 2);
  await one.sync();
  await two.sync();
  await one.remove('a');
  await one.sync();
  await two.sync();
  assert.deepStrictEqual(told, [['a', 1, true], ['a', 2, true], ['a', 'gone', true]]);
  assert.strictEqual(one.disk.tables.objects.size, 0);
  assert.strictEqual(two.disk.tables.objects.size, 0);
});

test('what was put before the first sync is an edit like any other when the server has that object, too', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  world.server.append([note('a', 'theirs')], PATH);
  await one.put('a', 'mine');
  await one.sync();
  assert.strictEqual(await one.data('a'), 'mine');
  assert.strictEqual(world.server.stored().pop().data, 'mine');
});

test('S2: own objects in an answer count as an acknowledgement that was lost', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.sync();
  await one.put('a', 'mine');
  world.server.loseAnswer('POST');
  await one.sync();
  world.server.append([note('a', 'theirs, later')]);
  world.server.failNext('POST', 413); // something between here and the server lost its temper
  assert.strictEqual((await one.sync()).error.code, 413);
  await one.sync();
  assert.strictEqual(await one.data('a'), 'theirs, later');
  assert.strictEqual(world.server.stored().length, 2);
});

test('S2: an older own version in an answer leaves the newer edit alone', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.sync();
  await one.put('a', 'older');
  world.server.loseAnswer('POST');
  await one.sync();
  await one.put('a', 'newer');
  world.server.failNext('POST', 413);
  await one.sync();
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(await one.data('a'), 'newer');
  assert.strictEqual(world.server.stored().pop().data, 'newer');
});

test('S1: objects and position change together', async () => {
  for (const failure of ['before', 'after']) {
    const world = new World();
    const one = world.storeDevice('one');
    world.server.append([note('a', 1), note('b', 2)], PATH);
    await one.sync();
    world.server.append([note('a', 3)], PATH);
    one.database.failures = [failure];
    assert.notStrictEqual((await one.sync()).error, null);
    const seen = await one.data('a') === 3;
    assert.strictEqual(seen, failure === 'after');
    assert.strictEqual(one.state().position, seen ? 3 : 2);
    assert.strictEqual((await one.reload().sync()).error, null);
    assert.strictEqual(await one.data('a'), 3);
  }
});

test('S1: an acknowledgement that did not reach the disk is asked for again', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.sync();
  await one.put('a', 1);
  one.database.failures = [null, null, 'before']; // what was read, the batch, its answer
  assert.strictEqual((await one.sync()).error.message, 'the disk is full');
  assert.strictEqual(await one.store.countPending(), 1);
  assert.strictEqual((await one.reload().sync()).error, null);
  assert.strictEqual(world.server.stored().length, 1);
  assert.strictEqual(await one.store.countPending(), 0);
});

test('S2: the newer edit is not overwritten by the echo of the older one, and is sent', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.sync();
  await one.put('a', 'older');
  world.server.loseAnswer('POST');
  await one.sync();
  await one.put('a', 'newer');
  const reloaded = one.reload();
  assert.strictEqual((await reloaded.sync()).error, null);
  assert.strictEqual(await reloaded.data('a'), 'newer');
  assert.deepStrictEqual(world.server.stored().map(object => object.data), ['older', 'newer']);
});

test('S2: an edit back to what was sent is a newer version all the same', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.sync();
  await one.put('a', 'x');
  world.server.meetNext('POST', async (request, answer) => {
    await one.put('a', 'y');
    await one.put('a', 'x');
    return answer();
  });
  await one.sync();
  assert.strictEqual(await one.store.countPending(), 1);
  await one.sync();
  assert.strictEqual(await one.store.countPending(), 0);
});

test('S2: what was deleted and made anew while the deletion travelled is kept', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.put('a', 1);
  await one.sync();
  await one.remove('a');
  world.server.meetNext('POST', async (request, answer) => {
    await one.put('a', 2);
    return answer();
  });
  await one.sync();
  assert.strictEqual(await one.data('a'), 2);
  await one.sync();
  assert.deepStrictEqual(world.server.stored().pop(), note('a', 2));
});

async function conflict(mine, theirs, store) {
  const world = new World();
  const one = world.storeDevice('one', {store});
  await one.put('a', 'old');
  await one.sync();
  if (mine === null) await one.remove('a');
  else await one.put('a', mine);
  world.server.append([theirs === null ? gone('a') : note('a', theirs)]);
  const told = watch(one.store);
  assert.strictEqual((await one.sync()).error, null);
  const stored = world.server.stored().pop();
  assert.strictEqual(await one.data('a'), stored.data);
  assert.strictEqual(await one.store.countPending(), 0);
  return {told, stored: stored.deleted ? null : stored.data};
}

test('S3: of two edits the one made here stays', async () => {
  assert.deepStrictEqual(await conflict('mine', 'theirs'), {told: [], stored: 'mine'});
});

test('S3: an edit beats a deletion, whichever side it was on', async () => {
  assert.strictEqual((await conflict('mine', null)).stored, 'mine');
  assert.deepStrictEqual(await conflict(null, 'theirs'), {told: [['a', 'theirs', true]], stored: 'theirs'});
});

test('S3: the same on both sides is no conflict', async () => {
  const world = new World();
  const one = world.storeDevice('one', {store: {onconflict: () => assert.fail('asked')}});
  await one.sync();
  await one.put('a', 'same');
  world.server.append([note('a', 'same')], PATH);
  await one.sync();
  assert.strictEqual(world.server.sent('POST').length, 0);
  assert.strictEqual(await one.store.countPending(), 0);
});

test('onconflict decides: mine, theirs, or both in one', async () => {
  const ask = pick => ({onconflict: (mine, theirs) => pick(mine, theirs)});
  assert.strictEqual((await conflict('mine', 'theirs', ask(mine => mine))).stored, 'mine');
  assert.deepStrictEqual(await conflict('mine', 'theirs', ask((mine, theirs) => theirs)),
    {told: [['a', 'theirs', true]], stored: 'theirs'});
  assert.deepStrictEqual(await conflict('mine', 'theirs',
    ask((mine, theirs) => note('a', `${mine.data}+${theirs.data}`))),
  {told: [['a', 'mine+theirs', true]], stored: 'mine+theirs'});
});

test('S4: a server that was emptied gets everything, and each device keeps what it has', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  const two = world.storeDevice('two');
  await one.put('a', 1);
  await one.put('b', 2);
  await one.sync();
  await two.sync();
  world.server.restore([]);
  await two.put('c', 3);
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual((await two.sync()).error, null);
  assert.strictEqual((await one.sync()).error, null);
  assert.deepStrictEqual(await one.all(), [['a', 1], ['b', 2], ['c', 3]]);
  assert.deepStrictEqual(await two.all(), await one.all());
});

for (const id of ['collection-1', 'repaired']) test(`a collection that lost its end gets the newer versions again, as ${id}`, async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.put('a', 'early');
  await one.sync();
  await one.put('a', 'late');
  await one.put('b', 'late');
  await one.sync();
  const collection = world.server.only; // a file copied back keeps its id, a repaired one gets another
  collection.entries.length = 1;
  collection.counter = id === 'repaired' ? 65536 : 1;
  collection.id = id;
  collection.clients = {};
  assert.strictEqual((await one.sync()).error, null);
  assert.deepStrictEqual(await one.all(), [['a', 'late'], ['b', 'late']]);
  const last = new Map(world.server.stored().map(object => [object.id, object.data]));
  assert.deepStrictEqual([...last], [['a', 'late'], ['b', 'late']]);
});

test('what was deleted so long ago that the deletion was collected does not come back', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.put('a', 1);
  await one.put('b', 2);
  await one.sync();
  const told = watch(one.store);
  await one.put('c', 3);
  world.server.meetNext('GET', () => ({status: 200, body: {collection_changed: true,
    collection_id: world.server.only.id, objects: [[2, note('b', 2)]], until: 9}}));
  world.server.only.counter = 9;
  assert.strictEqual((await one.sync()).error, null);
  assert.deepStrictEqual(await one.all(), [['b', 2], ['c', 3]]);
  assert.deepStrictEqual(told.filter(change => change[0] === 'a'), [['a', 'gone', true]]);
  assert.deepStrictEqual(world.server.sent('POST').pop().body, JSON.stringify([note('c', 3)]));
});

test('a storage that the browser emptied is filled again', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.put('a', 1);
  await one.put('b', 2);
  await one.sync();
  one.disk.wipe();
  const reloaded = one.reload();
  assert.strictEqual((await reloaded.sync()).error, null);
  assert.deepStrictEqual(await reloaded.all(), [['a', 1], ['b', 2]]);
  assert.strictEqual(world.server.stored().length, 2);
});

test('a deleted collection keeps what is here, and forcePut starts it again', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.put('a', 1);
  await one.sync();
  world.server.remove(world.server.only, '{"reason": "x"}');
  await one.put('b', 2);
  assert.strictEqual((await one.sync()).error.error, 'collection_deleted');
  assert.deepStrictEqual(await one.all(), [['a', 1], ['b', 2]]);
  assert.strictEqual((await one.sync(true)).error, null);
  assert.deepStrictEqual(world.server.stored().map(object => object.id).sort(), ['a', 'b']);
});

test('two users of one browser never see each other\'s objects', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.store.put(note('before', 'anybody'));
  await one.store.setOwner('ann@example.com');
  await one.put('a', 'ann');
  await one.sync();
  await one.store.setOwner('bob@example.com');
  one.authenticator.login('bob@example.com');
  assert.deepStrictEqual(await one.all(), []);
  await one.put('b', 'bob');
  assert.strictEqual((await one.sync()).error, null);
  assert.deepStrictEqual(world.server.collection(PATH).entries.map(entry => entry[1].id).sort(), ['a', 'before']);
  assert.deepStrictEqual(world.server.collection('/app.test/bob%40example.com/notes').entries
    .map(entry => entry[1].id), ['b']);
  const reloaded = one.reload(); // nobody has logged in yet: the last user's are shown
  assert.deepStrictEqual(await reloaded.all(), [['b', 'bob']]);
  await reloaded.store.setOwner('ann@example.com');
  assert.deepStrictEqual(await reloaded.all(), [['a', 'ann'], ['before', 'anybody']]);
});

test('another user\'s login in the middle of a sync stores nothing under the wrong name', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.store.setOwner('ann@example.com');
  world.server.append([note('a', 'ann')], PATH);
  world.server.meetNext('GET', async (request, answer) => {
    await one.store.setOwner('bob@example.com');
    return answer();
  });
  assert.strictEqual((await one.sync()).error.error, 'user_changed');
  assert.deepStrictEqual(await one.all(), []);
});

test('clear removes this user\'s objects from the device and nothing from the server', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.put('a', 1);
  await one.sync();
  await one.store.clear();
  assert.deepStrictEqual(await one.all(), []);
  await one.sync();
  assert.deepStrictEqual(await one.all(), [['a', 1]]);
});

test('10,000 objects go there and come back', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.store.put(Array.from({length: 10000}, (_, i) => note('n' + i, i)));
  assert.strictEqual((await one.sync()).error, null);
  const two = world.storeDevice('two');
  const progress = [];
  two.service._onstatus = message => message.status === 'sync_progress' &&
    progress.push([message.received, message.pending]);
  assert.strictEqual((await two.sync()).error, null);
  assert.strictEqual((await two.store.list()).length, 10000);
  assert.deepStrictEqual(progress[0], [1000, 9000]);
  assert.deepStrictEqual(progress.at(-1), [9000, 1000]);
});

test('a refused object is set aside and the rest is sent', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  world.server.refuses = object => object.data === 'bad' ? 'nope' : null;
  await one.put('a', 'good');
  await one.put('b', 'bad');
  await one.put('c', 'good');
  assert.strictEqual((await one.sync()).error.error, 'objects_refused');
  assert.deepStrictEqual(world.server.stored().map(object => object.id), ['a', 'c']);
  assert.strictEqual(await one.store.countPending(), 1);
  await one.put('b', 'mended');
  assert.strictEqual((await one.sync()).error, null);
});

test('a saved blob is kept by its address', async () => {
  const world = new World();
  const one = world.storeDevice('one');
  await one.store.put({type: 'file', id: 'x', blob: {content_type: 'text/plain', data: 'aGk='}});
  await one.sync();
  assert.deepStrictEqual((await one.store.get({type: 'file', id: 'x'})).blob,
    {content_type: 'text/plain', href: 'http://sync.test/blob/x'});
});
