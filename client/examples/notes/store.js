/* store.js keeps the notes in IndexedDB, with what has to be sent, and the client's own state.
 *
 * A note: {owner, id, text, created, edited, version, base, dirty, deleted}
 *   owner     e-mail of the account it belongs to, '' before the first login
 *   version   a new random text at each edit; what was sent is known again by it, so an edit made
 *             while a sync runs stays dirty
 *   base      the version the server is known to have
 *   dirty     1 while the server lacks something; a deleted note is kept until the server knows
 *
 * Received notes are stored before the client moves its position (it waits for the promise). A
 * reload in between delivers them again, which changes nothing: merge() knows them by their base.
 */
(function (root) {
'use strict';

function randomText() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, byte => (byte + 256).toString(16).slice(1)).join('');
}

/* A note as an object for the server, and back. */
function toObject(note) {
  if (note.deleted) return {id: note.id, type: 'note', deleted: true};
  const {text, created, edited, version} = note;
  return {id: note.id, type: 'note', data: {text, created, edited, version}};
}

function fromObject(object, owner) {
  const {text, created, edited, version} = object.data;
  return {owner, id: object.id, text: String(text), created, edited, version, base: version, dirty: 0,
    deleted: false};
}

/* What becomes of a note when the server has an object for it: {note, copy}, where note null means
 * gone and copy is a further note. The rules: an edit beats a delete, and of two edits both stay,
 * this device's in its place, the other beside it. */
function merge(local, object, owner) {
  const theirs = object.deleted ? null : fromObject(object, owner);
  if (!local || !local.dirty) return {note: theirs};
  if (local.deleted) { // the version that was deleted here is no edit of anybody
    const known = theirs && (theirs.version === local.base || theirs.version === local.version);
    return {note: known ? local : theirs};
  }
  if (!theirs) return {note: Object.assign({}, local, {base: null})};
  if (theirs.version === local.version || theirs.text === local.text) return {note: theirs};
  if (theirs.version === local.base) return {note: local};
  if (local.version === local.base) { // not edited here: dirty since the server was replaced
    return {note: theirs.edited > local.edited ? theirs : local};
  }
  const copy = Object.assign({}, theirs, {id: randomText(), created: theirs.created - 1, version: randomText(),
    base: null, dirty: 1});
  return {note: Object.assign({}, local, {base: theirs.version}), copy};
}

/* What becomes of a note when the server has stored the object that was made from it. */
function acknowledge(local, object) {
  if (object.deleted) return local.deleted ? null : local;
  const base = object.data.version;
  return Object.assign({}, local, {base, dirty: local.version === base ? 0 : 1});
}

function finished(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function openDatabase() {
  const request = indexedDB.open('cutout-notes', 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore('notes', {keyPath: ['owner', 'id']});
    request.result.createObjectStore('state');
  };
  return finished(request);
}

class NoteStore {
  static async open() {
    const store = new NoteStore();
    store._db = await openDatabase();
    return store;
  }

  /* One transaction around `work`; resolves when it is on disk. */
  async _in(name, mode, work) {
    const transaction = this._db.transaction(name, mode, {durability: 'strict'});
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error || new Error('the browser refused to store it'));
    });
    done.catch(() => {}); // told through the await below, unless work() itself fails first
    const result = await work(transaction.objectStore(name));
    await done;
    return result;
  }

  _all(notes, owner) {
    return finished(notes.getAll(IDBKeyRange.bound([owner], [owner, []])));
  }

  /* Runs each of the owner's notes named by `ids` through `change`, which gives what to store. */
  _update(owner, objects, change) {
    return this._in('notes', 'readwrite', async notes => {
      for (const object of objects) {
        const local = await finished(notes.get([owner, object.id]));
        const {note, copy} = change(local, object);
        if (note) notes.put(note);
        else notes.delete([owner, object.id]);
        if (copy) notes.put(copy);
      }
    });
  }

  /* All notes to show, the newest first, and how many changes wait. */
  async list(owner) {
    const all = await this._in('notes', 'readonly', notes => this._all(notes, owner));
    return {
      notes: all.filter(note => !note.deleted).sort((a, b) => b.created - a.created),
      pending: all.filter(note => note.dirty).length,
    };
  }

  add(owner, text) {
    return this.edit(owner, randomText(), text);
  }

  /* Sets the text; a note that was just deleted comes back. */
  edit(owner, id, text) {
    const now = Date.now();
    return this._update(owner, [{id}], local => ({note: Object.assign({owner, id, created: now, base: null},
      local, {text, edited: now, version: randomText(), dirty: 1, deleted: false})}));
  }

  remove(owner, id) {
    return this._update(owner, [{id}], local => ({
      note: local && Object.assign({}, local, {dirty: 1, deleted: true}),
    }));
  }

  /* Notes written before the first login become the user's. */
  adopt(owner) {
    return this._in('notes', 'readwrite', async notes => {
      for (const note of await this._all(notes, '')) {
        notes.delete(['', note.id]);
        if (!note.deleted) notes.put(Object.assign({}, note, {owner}));
      }
    });
  }

  /* The five things the sync client asks of an app. */

  async pending(owner) {
    const all = await this._in('notes', 'readonly', notes => this._all(notes, owner));
    return all.filter(note => note.dirty).map(toObject);
  }

  saved(owner, objects) {
    return this._update(owner, objects, (local, object) => ({note: local && acknowledge(local, object)}));
  }

  received(owner, objects) {
    const notes = objects.filter(object => object.type === 'note');
    return this._update(owner, notes, (local, object) => merge(local, object, owner));
  }

  resetSaved(owner) {
    return this._in('notes', 'readwrite', async notes => {
      for (const note of await this._all(notes, owner)) notes.put(Object.assign({}, note, {dirty: 1}));
    });
  }

  /* The place where the client keeps its position and its unanswered batch. */
  syncStorage(owner) {
    const key = name => owner + '/' + name;
    return {
      get: (name, callback) => {
        this._in('state', 'readonly', state => finished(state.get(key(name))))
          .then(value => callback(value === undefined ? null : value), () => callback(null));
      },
      put: (values, callback) => {
        this._in('state', 'readwrite', state => {
          for (const name of Object.keys(values)) state.put(values[name], key(name));
        }).then(() => callback(null), callback);
      },
    };
  }
}

if (typeof module === 'object' && module.exports) module.exports = {merge, acknowledge, toObject};
else root.NoteStore = NoteStore;
})(typeof self !== 'undefined' ? self : globalThis);
