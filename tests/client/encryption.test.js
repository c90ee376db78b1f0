import test from 'node:test';
import assert from 'node:assert';
import {webcrypto} from 'node:crypto';
import {Sync, World, FakeApp} from './support/world.js';
import {Encryption} from '../../client/src/encryption.js';

const note = (id, data) => ({type: 'note', id, data});

function makeWorld() {
  const world = new World();
  Sync.env.crypto = webcrypto;
  return world;
}

const cipher = passphrase => new Encryption(passphrase || 'correct horse', {iterations: 10});

test('the server sees types and ids, and nothing of the data', async () => {
  const world = makeWorld();
  const one = world.storeDevice('one', {cipher: cipher()});
  const two = world.storeDevice('two', {cipher: cipher()});
  await one.put('a', {text: 'sécret'});
  await one.put('gone', 1);
  await one.sync();
  await one.remove('gone');
  await one.sync();
  assert.strictEqual((await two.sync()).error, null);
  assert.deepStrictEqual(await two.all(), [['a', {text: 'sécret'}]]);
  const text = JSON.stringify(world.server.stored());
  assert.ok(!text.includes('sécret') && text.includes('"type":"note","id":"a"'));
  assert.deepStrictEqual(Object.keys(world.server.stored()[1].data), ['encrypted']);
  assert.deepStrictEqual(world.server.stored().filter(object => object.type === 'cutout-key').length, 1);
  assert.deepStrictEqual(await two.store.list('cutout-key'), []);
});

test('a wrong passphrase is noticed before anything is read or written', async () => {
  const world = makeWorld();
  const one = world.storeDevice('one', {cipher: cipher()});
  await one.put('a', 1);
  await one.sync();
  const two = world.storeDevice('two', {cipher: cipher('wrong')});
  await two.put('b', 2);
  assert.strictEqual((await two.sync()).error.error, 'wrong_key');
  assert.deepStrictEqual(await two.all(), [['b', 2]]);
  assert.strictEqual(world.server.sent('POST').length, 1);
  two.service.cipher = cipher();
  assert.strictEqual((await two.sync()).error, null);
  assert.deepStrictEqual(await two.all(), [['a', 1], ['b', 2]]);
});

test('without a passphrase an encrypted collection is left alone', async () => {
  const world = makeWorld();
  const one = world.storeDevice('one', {cipher: cipher()});
  await one.put('a', 1);
  await one.sync();
  const two = world.storeDevice('two');
  assert.strictEqual((await two.sync()).error.error, 'encrypted');
  assert.deepStrictEqual(await two.all(), []);
});

test('of two devices that begin at once the first one\'s key counts', async () => {
  const world = makeWorld();
  const one = world.storeDevice('one', {cipher: cipher()});
  const two = world.storeDevice('two', {cipher: cipher()});
  await one.put('a', 1);
  await two.put('b', 2);
  world.server.meetNext('GET', async (request, answer) => {
    const now = answer();
    await two.sync();
    return now;
  });
  assert.strictEqual((await one.sync()).error, null);
  await two.sync();
  assert.deepStrictEqual(await one.all(), [['a', 1], ['b', 2]]);
  assert.deepStrictEqual(await two.all(), [['a', 1], ['b', 2]]);
  assert.strictEqual(world.server.stored().filter(object => object.type === 'cutout-key').length, 1);
});

test('a lost answer is settled after a reload, by an app of the classic kind, too', async () => {
  const world = makeWorld();
  const one = world.device('one');
  one.service.cipher = cipher();
  one.app.edit('a', 'text');
  world.server.loseAnswer('POST');
  await one.sync();
  const reloaded = one.reload();
  reloaded.service.cipher = cipher();
  assert.strictEqual((await reloaded.sync()).error, null);
  assert.deepStrictEqual(one.app.saved, [[note('a', 'text')]]);
  assert.strictEqual(one.app.dirty.size, 0);
  reloaded.app.edit('a', 'more');
  assert.strictEqual((await reloaded.sync()).error, null);
  assert.strictEqual(world.server.stored().length, 3); // the key once
});

test('what one object holds cannot be passed off as another\'s', async () => {
  const world = makeWorld();
  const one = world.storeDevice('one', {cipher: cipher()});
  await one.put('a', 'of a');
  await one.sync();
  const {data} = world.server.stored().find(object => object.id === 'a');
  world.server.append([note('b', data)]);
  assert.strictEqual((await one.sync()).error.error, 'not_decrypted');
  assert.strictEqual(await one.data('b'), undefined);
});

test('the same text is never encrypted the same way twice', async () => {
  makeWorld();
  const one = cipher();
  await one.begin();
  const first = await one.encrypt(note('a', 'x'));
  const second = await one.encrypt(note('a', 'x'));
  assert.notStrictEqual(first.data.encrypted, second.data.encrypted);
  assert.deepStrictEqual(await one.decrypt(first), note('a', 'x'));
});

test('what was written in the clear before stays readable; an object without data has none', async () => {
  makeWorld();
  const one = cipher();
  await one.begin();
  assert.deepStrictEqual(await one.decrypt(note('a', 'plain')), note('a', 'plain'));
  assert.deepStrictEqual(await one.encrypt({id: 'a', deleted: true}), {id: 'a', deleted: true});
});

test('a refused object rests although it is encrypted anew each time', async () => {
  const world = makeWorld();
  const one = world.storeDevice('one', {cipher: cipher()});
  await one.put('ok', 1);
  await one.sync();
  world.server.refuses = object => object.id === 'b' ? 'nope' : null;
  await one.put('b', 'bad');
  await one.sync();
  const before = world.server.sent('POST').length;
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(world.server.sent('POST').length, before);
});

test('a passphrase is needed, and Sync takes the encryption as an option', () => {
  makeWorld();
  assert.throws(() => new Encryption(''), /passphrase/);
  const encryption = cipher();
  assert.strictEqual(new Sync(new FakeApp(), {encryption}).service.cipher, encryption);
});
