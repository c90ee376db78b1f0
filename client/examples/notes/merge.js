/* What is left when a note was written to here and on another device: nobody's lines are lost. */
'use strict';

/* Somebody else's program may have put other things of this type into the collection. */
function isNote(object) {
  return Boolean(object.data) && typeof object.data.text === 'string';
}

/* An edit beats a deletion. Of two texts the longer stays if it has all of the other; otherwise this
 * one, and below it their lines that are nowhere in it. Called by the store in the middle of a
 * transaction: it must not wait for anything. */
function mergeNotes(mine, theirs) {
  if (!isNote(theirs)) return mine;
  if (!isNote(mine) || theirs.data.text.includes(mine.data.text)) return theirs;
  const lines = theirs.data.text.split('\n').filter(line => !mine.data.text.includes(line));
  return {...mine, data: {
    text: [mine.data.text, ...lines].join('\n'),
    created: Math.min(mine.data.created, theirs.data.created),
    edited: Math.max(mine.data.edited, theirs.data.edited),
  }};
}

if (typeof module === 'object') module.exports = {isNote, mergeNotes};
