/* One server's view of a store: what it lacks, and what becomes of what it sends. Has the functions
 * of appdata.js; each is one transaction, the sync client's state included. */
import {failure, identity} from './tools.js';

const MANY = 200;

export class Outbox {
  constructor(store, target) {
    this.isStore = true;
    this._store = store;
    this.target = target;
    this._owner = ''; // of the sync that runs
    this._stamp = 0;  // grows with each change of the state: another tab's change is noticed by it
  }

  async _load() {
    const row = await this._store._read((tables, owner) => {
      this._owner = owner;
      return tables.get('state', [owner, this.target]);
    });
    this._stamp = row ? row.stamp : 0;
    return row ? row.state : null;
  }

  _save(state) { return this._in(state, () => null); }

  _reset(state) { return this._save(state); }

  /* {objects, versions} that the server lacks. */
  async _pending() {
    const rows = await this._store._read(async (tables, owner) => {
      const waiting = await tables.list('outbox', [owner, this.target]);
      return rowsOf(tables, owner, waiting.map(row => row.key));
    });
    return {objects: rows.map(row => row.object), versions: rows.map(row => row.version)};
  }

  /* The server has these, in the versions that were sent. */
  _saved(entries, state) {
    return this._in(state, async turn => {
      const rows = await rowsOf(turn.tables, turn.owner, entries.map(entry => identity(entry.object)));
      for (const [i, {object, counter, version}] of entries.entries()) {
        const row = rows[i];
        if (!row) continue;
        row.at[this.target] = [state.generation, counter];
        if (object.blob?.href && row.version === version) { // the server has the bytes
          const {content_type, href} = object.blob;
          row.object = {...object, blob: {content_type, href}};
        }
        turn.tables.put('objects', row);
        if (row.version === version) await this._settle(turn, row);
      }
    });
  }

  /* The server has these from someone else, and `own` from here, of which it may never have said so. */
  async _received(entries, state, own) {
    let changes;
    await this._in(state, async (turn, old) => {
      changes = [];
      for (const [counter, object] of own) {
        const [row] = await rowsOf(turn.tables, turn.owner, [identity(object)]);
        if (row && same(row.object, object)) await this._receive(turn, counter, object, row);
      }
      entries = entries.filter(([, object]) => 'id' in object); // what nothing could ever name
      const rows = await rowsOf(turn.tables, turn.owner, entries.map(entry => identity(entry[1])));
      const waiting = new Set((await turn.tables.list('outbox', [turn.owner, this.target])).map(row => row.key));
      for (const [i, [counter, theirs]] of entries.entries()) {
        const changed = await this._receive(turn, counter, theirs, rows[i], waiting.has(identity(theirs)));
        if (changed) changes.push({object: changed, remote: this.target});
      }
      if (state.whole && !old?.whole) await this._owe(turn, changes);
    });
    if (changes.length) this._store._changed(changes);
  }

  /* The object that is here now, or null if that was so before. */
  async _receive(turn, counter, theirs, row, waiting) {
    row = row || {owner: turn.owner, key: identity(theirs), version: 0, at: {}};
    const mine = row.object;
    let kept = theirs;
    if (mine && same(mine, theirs)) kept = mine;
    else if (mine && (waiting || !row.at[this.target])) kept = this._resolve(mine, theirs);
    // Counters only grow, in what took a collection's place, too: the server was restored or repaired,
    // and has an older version than what it once confirmed.
    else if (mine && row.at[this.target][1] > counter) kept = mine;
    row.at[this.target] = [turn.state.generation, counter];
    row.object = kept;
    if (kept !== mine) row.version++;
    turn.tables.put('objects', row);
    if (kept !== mine) this._relay(turn, row);
    if (same(kept, theirs)) await this._settle(turn, row);
    else turn.tables.put('outbox', {owner: turn.owner, target: this.target, key: row.key});
    return kept === mine || !mine && kept.deleted ? null : kept;
  }

  /* Of two edits the one made here stays; an edit beats a delete. */
  _resolve(mine, theirs) {
    const {onconflict} = this._store;
    if (onconflict) return onconflict(mine, theirs) || mine;
    return mine.deleted ? theirs : mine;
  }

  /* The other servers lack it now. */
  _relay({tables, owner, others}, {key}) {
    for (const target of others) tables.put('outbox', {owner, target, key});
  }

  /* This server lacks nothing of the row. What is deleted goes when no other server does. */
  async _settle({tables, owner, others}, row) {
    tables.delete('outbox', {owner, target: this.target, key: row.key});
    if (!row.object.deleted) return;
    for (const target of others) {
      if (await tables.get('outbox', [owner, target, row.key])) return;
    }
    tables.delete('objects', row);
  }

  /* A stream was read to its end for the first time: what did not come in it is owed to the server,
   * unless it is the stream followed before, and had the object: then it was deleted meanwhile, so
   * long ago that the deletion itself was collected. */
  async _owe(turn, changes) {
    const {tables, owner, state} = turn;
    for (const row of await tables.list('objects', [owner])) {
      const [generation, counter] = row.at[this.target] || [0, Infinity];
      if (generation === state.generation) continue;
      const waiting = await tables.get('outbox', [owner, this.target, row.key]);
      if (!waiting && followedBefore(state) && counter <= state.position) {
        row.object = gone(row.object);
        row.version++;
        tables.put('objects', row);
        this._relay(turn, row);
        await this._settle(turn, row);
        changes.push({object: row.object, remote: this.target});
      } else {
        tables.put('outbox', {owner, target: this.target, key: row.key});
      }
    }
  }

  async _in(state, work) {
    const stamp = this._stamp + 1;
    await this._store._write(async (tables, owner) => {
      if (owner !== this._owner) throw failure('user_changed', 'another user has logged in');
      const rows = await tables.list('state', [owner]);
      const old = rows.find(row => row.target === this.target);
      if ((old ? old.stamp : 0) !== this._stamp) throw failure('overtaken', 'another tab has gone on');
      const others = rows.map(row => row.target).filter(target => target !== this.target);
      await work({tables, owner, others, state}, old?.state);
      tables.put('state', {owner, target: this.target, state, stamp});
    });
    this._stamp = stamp;
  }
}

/* The rows of these objects; undefined for those that are not here. One look at all rows is faster
 * than many looks at one. */
export async function rowsOf(tables, owner, keys) {
  if (keys.length < MANY) return Promise.all(keys.map(key => tables.get('objects', [owner, key])));
  const rows = new Map((await tables.list('objects', [owner])).map(row => [row.key, row]));
  return keys.map(key => rows.get(key));
}

function followedBefore(state) {
  return Boolean(state.collectionId) && state.collectionId === state.previousId;
}

function same(a, b) { return JSON.stringify(a) === JSON.stringify(b); }

/* The deletion of what {type, id} names. */
export function gone({type, id}) {
  return Object.assign(type === undefined ? {} : {type}, {id, deleted: true});
}
