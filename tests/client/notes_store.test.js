import test from 'node:test';
import assert from 'node:assert';
import {webcrypto} from 'node:crypto';
import store from '../../client/examples/notes/store.js';

if (!globalThis.crypto) globalThis.crypto = webcrypto; // Node 18 hides it
const {merge, acknowledge, toObject} = store;

const OWNER = 'ann@example.com';

function note(changes) {
  return Object.assign({owner: OWNER, id: 'n', text: 'old', created: 100, edited: 100, version: 'v1', base: 'v1',
    dirty: 0, deleted: false}, changes);
}

function object(changes) {
  return {id: 'n', type: 'note', data: Object.assign({text: 'theirs', created: 100, edited: 200, version: 'v9'}, changes)};
}

const GONE = {id: 'n', type: 'note', deleted: true};

test('a note goes to the server and comes back as it was', () => {
  const mine = note({text: 'ü\n"', version: 'v2', dirty: 1, base: null});
  const back = merge(undefined, JSON.parse(JSON.stringify(toObject(mine))), OWNER).note;
  assert.deepStrictEqual(back, note({text: 'ü\n"', version: 'v2', base: 'v2', dirty: 0}));
});

test('a deleted note is sent without its text', () => {
  assert.deepStrictEqual(toObject(note({deleted: true})), GONE);
});

test('a note that was not touched here takes what the server has', () => {
  const {note: result, copy} = merge(note(), object(), OWNER);
  assert.deepStrictEqual([result.text, result.dirty, result.base, copy], ['theirs', 0, 'v9', undefined]);
  assert.strictEqual(merge(note(), GONE, OWNER).note, null);
});

test('of two edits both stay, and the copy is sent', () => {
  const mine = note({text: 'mine', version: 'v2', dirty: 1});
  const {note: result, copy} = merge(mine, object(), OWNER);
  assert.deepStrictEqual([result.text, result.version, result.dirty, result.base], ['mine', 'v2', 1, 'v9']);
  assert.deepStrictEqual([copy.text, copy.dirty, copy.owner, copy.base], ['theirs', 1, OWNER, null]);
  assert.notStrictEqual(copy.id, 'n');
});

test('a conflict that is delivered again makes no second copy', () => {
  const mine = note({text: 'mine', version: 'v2', dirty: 1});
  const once = merge(mine, object(), OWNER).note;
  assert.deepStrictEqual(merge(once, object(), OWNER), {note: once});
});

test('the same text on both sides is no conflict', () => {
  const {note: result, copy} = merge(note({text: 'theirs', version: 'v2', dirty: 1}), object(), OWNER);
  assert.deepStrictEqual([result.dirty, copy], [0, undefined]);
});

test('an own version that comes back is no conflict, and leaves a newer edit alone', () => {
  const again = merge(note({text: 'mine', version: 'v2', base: 'v1', dirty: 1}), object({version: 'v1', text: 'old'}), OWNER);
  assert.deepStrictEqual([again.note.text, again.note.dirty, again.copy], ['mine', 1, undefined]);
});

test('an edit beats a delete, whichever side it was on', () => {
  const edited = merge(note({text: 'mine', version: 'v2', dirty: 1}), GONE, OWNER).note;
  assert.deepStrictEqual([edited.text, edited.dirty], ['mine', 1]);
  const revived = merge(note({deleted: true, dirty: 1}), object(), OWNER).note;
  assert.deepStrictEqual([revived.text, revived.deleted, revived.dirty], ['theirs', false, 0]);
});

test('a note that was deleted here stays so when what was deleted is delivered again', () => {
  const gone = note({deleted: true, dirty: 1});
  assert.deepStrictEqual(merge(gone, object({version: 'v1', text: 'old'}), OWNER), {note: gone});
  const edited = note({deleted: true, dirty: 1, version: 'v2'});
  assert.deepStrictEqual(merge(edited, object({version: 'v2', text: 'mine'}), OWNER), {note: edited});
});

test('deleted on both sides is gone', () => {
  assert.strictEqual(merge(note({deleted: true, dirty: 1}), GONE, OWNER).note, null);
});

test('after the server was replaced the later text stays, without a copy', () => {
  const kept = note({text: 'newer', version: 'v5', base: 'v5', edited: 300, dirty: 1});
  assert.deepStrictEqual(merge(kept, object(), OWNER), {note: kept});
  const older = note({text: 'older', version: 'v5', base: 'v5', edited: 100, dirty: 1});
  assert.strictEqual(merge(older, object(), OWNER).note.text, 'theirs');
});

test('an acknowledgement clears the version that was sent, and no later one', () => {
  const sent = toObject(note({version: 'v2', dirty: 1}));
  assert.strictEqual(acknowledge(note({version: 'v2', dirty: 1}), sent).dirty, 0);
  const edited = acknowledge(note({version: 'v3', dirty: 1}), sent);
  assert.deepStrictEqual([edited.dirty, edited.base], [1, 'v2']);
});

test('an acknowledged delete is gone, unless the note was brought back meanwhile', () => {
  assert.strictEqual(acknowledge(note({deleted: true, dirty: 1}), GONE), null);
  assert.strictEqual(acknowledge(note({text: 'undone', version: 'v4', dirty: 1}), GONE).dirty, 1);
});
