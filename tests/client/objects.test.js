import test from 'node:test';
import assert from 'node:assert';
import {World, Sync} from './support/world.js';

const check = object => Sync.Service.checkObject(object, new Set());

test('takes every member an object may have', () => {
  assert.strictEqual(check({id: 'a'}), null);
  assert.strictEqual(check({id: 0, type: '', data: null, expires: 1700000000}), null);
  assert.strictEqual(check({id: 'a', type: 'x', deleted: true}), null);
  assert.strictEqual(check({id: 'a', blob: {content_type: 'text/plain', data: 'aGk='}}), null);
  assert.strictEqual(check({id: 'a', blob: {content_type: 'text/plain', href: '/x'}}), null);
});

const refused = [
  ['no id', {data: 1}, /^id must/],
  ['an empty id', {id: ''}, /^id must/],
  ['a fractional id', {id: 1.5}, /^id must/],
  ['an unknown member', {id: 'a', colour: 'red'}, /^only type, id/],
  ['a type that is no string', {id: 'a', type: 7}, /^type/],
  ['an expiry that is no number', {id: 'a', expires: 'soon'}, /^expires/],
  ['deleted other than true', {id: 'a', deleted: false}, /^deleted can/],
  ['a deleted object with data', {id: 'a', deleted: true, data: 1}, /^a deleted/],
  ['a deleted object with a blob', {id: 'a', deleted: true, blob: {}}, /^a deleted/],
  ['a blob without content', {id: 'a', blob: {content_type: 'x/y'}}, /^blob/],
  ['a blob without content type', {id: 'a', blob: {data: 'x'}}, /^blob/],
  ['a blob with more', {id: 'a', blob: {content_type: 'x/y', data: 'x', name: 'n'}}, /^blob/],
  ['no object', 'text', /no object/],
  ['a list', [1], /no object/],
  ['null', null, /no object/],
];
for (const [name, object, message] of refused) {
  test(`refuses ${name}`, () => assert.match(check(object), message));
}

test('refuses what cannot be written as JSON', () => {
  const loop = {id: 'a', data: {}};
  loop.data.self = loop;
  assert.match(check(loop), /as JSON/);
  assert.match(check({id: loop.data}), /as JSON/);
  assert.match(check({id: 10n}), /as JSON/);
  assert.match(check(undefined), /as JSON/);
});

test('refuses the second object of a type and id, and sends the first', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.getPendingObjects = done => done(null, one.app.saved.length ? [] :
    [{id: 'a', type: 'x', data: 1}, {id: 'a', type: 'x', data: 2}, {id: 'a', type: 'y', data: 3}]);
  const {error} = await one.sync();
  assert.strictEqual(error.error, 'objects_refused');
  assert.deepStrictEqual(world.server.stored().map(o => o.data), [1, 3]);
  assert.match(one.app.errors[0].error, /two objects/);
});

test('an id of 1 and an id of "1" are two', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.getPendingObjects = done => done(null, one.app.saved.length ? [] : [{id: 1}, {id: '1'}]);
  assert.strictEqual((await one.sync()).error, null);
});

test('bad objects are reported once, and the good ones are sent', async () => {
  const world = new World();
  const one = world.device('one');
  const loop = {id: 'loop'};
  loop.data = loop;
  const other = {id: 'other', data: loop};
  const bad = [{data: 1}, null, 'text', loop, other, undefined, {id: 'x', wrong: 1}];
  one.app.getPendingObjects = done => done(null, one.app.saved.length ? bad : bad.concat({id: 'good'}));
  const {error} = await one.sync();
  assert.strictEqual(error.detail.length, 7);
  assert.deepStrictEqual(one.app.errors.map(e => e.object), bad);
  assert.deepStrictEqual(world.server.stored(), [{id: 'good'}]);
  assert.strictEqual((await one.sync()).error, null);
  assert.strictEqual(one.app.errors.length, 7);
});

test('an app without reportObjectErrors still gets the error', async () => {
  const world = new World();
  const one = world.device('one');
  one.app.reportObjectErrors = undefined;
  one.app.getPendingObjects = done => done(null, [{data: 1}]);
  assert.strictEqual((await one.sync()).error.detail[0].error, 'id must be a string or an integer');
});
