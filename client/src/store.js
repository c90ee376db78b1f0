/* Sync.IndexedDBStore: the app's objects, and what of them the server lacks. An app puts, gets, lists and
 * observes; it keeps no books of its own.
 *
 *   const store = new Sync.IndexedDBStore('notes');
 *   const sync = new Sync(store, {appName: 'notes'});
 *   await store.put({type: 'note', id: 'a', data: {text: 'milk'}});
 *
 * Tables, each row with its owner (the user; '' before the first login), so that two users of one
 * browser never see each other's objects:
 *   objects   {owner, key, object, version, at}: the newest version here; `version` grows with each change
 *             made here; at[target] = [generation, counter]: where a server had it last
 *   outbox    {owner, target, key}: the target lacks this object's newest version
 *   state     {owner, target, state, stamp}: what the sync client remembers of a server
 * A target is a server; there is more than one with Sync.Multi only.
 *
 * Invariants, which the tests cite:
 *   S1. Objects, outbox and position change in one transaction: after a crash they fit each other.
 *   S2. An acknowledgement takes an object out of the outbox only if it is the version that was sent.
 *   S3. What is in the outbox is overwritten by nothing but the user, onconflict, or an object that is
 *       equal to it or revives what was deleted here.
 *   S4. A target that was never seen to its end is owed everything: nothing depends on having been
 *       there when a change was made. */
import {Database} from './indexeddb.js';
import {checkObject} from './objects.js';
import {gone, Outbox, rowsOf} from './outbox.js';
import {failure, identity} from './tools.js';
import {env} from './env.js';

const OWNER_ROW = ['#', 'owner']; // of the table state: who logged in last

export class IndexedDBStore {
  constructor(name, options) {
    this.isStore = true;
    this.name = name || 'cutout';
    this.owner = '';
    /* onconflict(mine, theirs) → what is to stay: one of the two, or a merged object. */
    this.onconflict = options?.onconflict || null;
    this._database = options?.database || new Database(this.name);
    this._observers = new Set();
    this._opened = null;
    this._channel = env.Channel && new env.Channel(`cutout-store ${this.name}`);
    if (this._channel) {
      this._channel.onmessage = ({data}) => {
        if (data.owner !== this.owner) this._opened = null; // another tab logged in as someone else
        this._tell(data.owner === this.owner ? data.changes : []);
      };
    }
  }

  /* Objects without `deleted`; of one type, or all. */
  async list(type) {
    const rows = await this._read((tables, owner) => tables.list('objects', [owner]));
    return rows.map(row => row.object)
      .filter(object => !object.deleted && (type === undefined || object.type === type));
  }

  /* By {type, id}; undefined when there is none. */
  async get(name) {
    const row = await this._read((tables, owner) => tables.get('objects', [owner, identity(name)]));
    return row && !row.object.deleted ? row.object : undefined;
  }

  /* Stores one object or a list of them here, and has them sent. Resolves when they are on disk. */
  put(objects) {
    const list = [].concat(objects);
    const seen = new Set();
    for (const object of list) {
      const problem = checkObject(object, seen);
      if (problem) return Promise.reject(failure('bad_object', problem, {object}));
    }
    return this._change(list.map(object => JSON.parse(JSON.stringify(object))));
  }

  /* Deletes what {type, id} names, one or a list. */
  delete(names) { return this._change([].concat(names).map(gone)); }

  /* Calls back with [{object, remote}] after each change, made here, in another tab or on another
   * device; `remote` names the server it came from, or is null. Returns a function that ends it; {signal} does so, too. */
  observe(callback, options) {
    this._observers.add(callback);
    const end = () => this._observers.delete(callback);
    if (options?.signal) options.signal.addEventListener('abort', end);
    return end;
  }

  /* How many objects wait to be sent, to whichever server lacks most. One that was not yet seen to
   * its end may lack all of them. */
  countPending(targets) {
    return this._read(async (tables, owner) => {
      const states = await tables.list('state', [owner]);
      const known = states.filter(row => row.state.whole).map(row => row.target);
      const asked = targets || states.map(row => row.target);
      if (!asked.length || asked.some(target => !known.includes(target))) {
        return tables.count('objects', [owner]);
      }
      return Math.max(...await Promise.all(asked.map(target => tables.count('outbox', [owner, target]))));
    });
  }

  /* Removes everything of this user from this device; the server keeps what it has. */
  clear() { return this._drop(['objects', 'outbox', 'state']); }

  /* A server that is no longer used: nothing is kept for it any more. */
  forget(target) { return this._drop(['outbox', 'state'], target); }

  _drop(names, ...start) {
    return this._write(async (tables, owner) => {
      for (const name of names) {
        for (const row of await tables.list(name, [owner, ...start])) tables.delete(name, row);
      }
    });
  }

  close() {
    this._observers.clear();
    this._channel?.close();
    this._database.close();
  }

  /* ---- For the sync client ---- */

  /* What the sync client needs to know of one server. */
  outbox(target) { return new Outbox(this, target); }

  /* A user has logged in. What was written before anybody had is his. */
  setOwner(owner) {
    this._opened = this._open().then(() => this.owner === owner ? null : this._adopt(owner));
    return this._opened;
  }

  async _adopt(owner) {
    await this._database._write(async tables => {
      tables.put('state', {owner: OWNER_ROW[0], target: OWNER_ROW[1], state: owner});
      const rows = await tables.list('objects', ['']);
      for (const row of rows) tables.delete('objects', row);
      await putAll(tables, owner, rows.map(row => row.object));
    });
    this.owner = owner;
    this._changed([]);
  }

  _open() {
    if (!this._opened) {
      this._opened = this._database._read(tables => tables.get('state', OWNER_ROW))
        .then(row => { this.owner = row ? row.state : ''; });
      this._opened.catch(() => { this._opened = null; });
    }
    return this._opened;
  }

  /* work(tables, owner); see Database. */
  async _read(work) {
    await this._open();
    return this._database._read(tables => work(tables, this.owner));
  }

  async _write(work) {
    await this._open();
    return this._database._write(tables => work(tables, this.owner));
  }

  async _change(objects) {
    const changed = await this._write((tables, owner) => putAll(tables, owner, objects));
    if (changed.length) this._changed(changed.map(object => ({object, remote: null})));
  }

  /* Tells who watches, in this tab and the others. */
  _changed(changes) {
    this._channel?.postMessage({owner: this.owner, changes});
    this._tell(changes);
  }

  _tell(changes) {
    for (const callback of [...this._observers]) callback(changes);
  }
}

/* The user's own changes, owed to every target that is known. Gives those that change anything. */
async function putAll(tables, owner, objects) {
  const targets = await tables.list('state', [owner]);
  const rows = await rowsOf(tables, owner, objects.map(identity));
  return objects.filter((object, i) => {
    const old = rows[i];
    const key = identity(object);
    if (object.deleted && (!old || old.object.deleted)) return false;
    if (object.deleted && !targets.length) {
      tables.delete('objects', old);
      return true;
    }
    tables.put('objects', {owner, key, object, version: old ? old.version + 1 : 1, at: {}});
    for (const {target} of targets) tables.put('outbox', {owner, target, key});
    return true;
  });
}
