/* What the notes app makes of two edits of one note. */
import test from 'node:test';
import assert from 'node:assert';
import merge from '../../client/examples/notes/merge.js';

const {mergeNotes} = merge;
const note = (text, more) => ({type: 'note', id: 'n', data: {text, created: 100, edited: 200, ...more}});
const GONE = {type: 'note', id: 'n', deleted: true};
const textOf = (mine, theirs) => mergeNotes(note(mine), note(theirs)).data.text;

test('lines that are only theirs come below those that are here', () => {
  assert.strictEqual(textOf('milk\neggs', 'milk\nbread\ntea'), 'milk\neggs\nbread\ntea');
});

test('what one text has of the other is there once', () => {
  assert.strictEqual(textOf('milk', 'milk, bread\ntea'), 'milk, bread\ntea');
  assert.strictEqual(textOf('milk, bread\ntea', 'milk'), 'milk, bread\ntea');
  assert.strictEqual(textOf('tea and milk\neggs', 'milk\n\nbread'), 'tea and milk\neggs\nbread');
});

test('merged again with either side it stays as it is', () => {
  const merged = mergeNotes(note('milk\neggs'), note('milk\nbread'));
  assert.deepStrictEqual(mergeNotes(merged, note('milk\nbread')), merged);
  assert.deepStrictEqual(mergeNotes(note('milk\neggs'), merged), merged);
});

test('it keeps the first creation and the last edit, and forgets no other member', () => {
  const merged = mergeNotes({...note('a', {created: 5, edited: 6}), expires: 9}, note('b', {created: 3, edited: 8}));
  assert.deepStrictEqual(merged, {...note('a\nb', {created: 3, edited: 8}), expires: 9});
});

test('an edit beats a deletion, whichever side it was on', () => {
  assert.deepStrictEqual(mergeNotes(GONE, note('theirs')), note('theirs'));
  assert.deepStrictEqual(mergeNotes(note('mine'), GONE), note('mine'));
});

test('what is no note is no reason to stumble', () => {
  for (const data of [undefined, null, 7, {text: 7}, []]) {
    assert.deepStrictEqual(mergeNotes(note('mine'), {type: 'note', id: 'n', data}), note('mine'));
    assert.deepStrictEqual(mergeNotes({type: 'note', id: 'n', data}, note('theirs')), note('theirs'));
  }
});
