/* Tables in IndexedDB: one transaction at a time, promises, and a database that the browser removed or
 * closed is opened again. Rows are found by the first parts of their key. */
import {env} from './env.js';

const KEYS = {objects: ['owner', 'key'], outbox: ['owner', 'target', 'key'], state: ['owner', 'target']};
const NAMES = Object.keys(KEYS);

export class Database {
  constructor(name) {
    this._name = `cutout ${name}`;
    this._opening = null;
  }

  /* work(tables) may await nothing but what the tables give. Resolves when it is on disk. */
  _read(work) { return this._run('readonly', work); }
  _write(work) { return this._run('readwrite', work); }

  close() {
    this._opening?.then(database => database.close(), () => null);
    this._opening = null;
  }

  async _run(mode, work) {
    let transaction;
    try {
      transaction = (await this._open()).transaction(NAMES, mode, {durability: 'strict'});
    } catch (error) {
      this._opening = null; // closed by the browser, which may also have emptied it
      transaction = (await this._open()).transaction(NAMES, mode, {durability: 'strict'});
    }
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error || new Error('the browser refused to store it'));
    });
    done.catch(() => null); // told by the await below, unless work itself fails first
    try {
      const result = await work(new Tables(transaction));
      if (mode !== 'readonly') await done;
      return result;
    } catch (error) {
      try { transaction.abort(); } catch (ended) { /* it has ended by itself */ }
      throw error;
    }
  }

  _open() {
    if (!this._opening) {
      const request = env.indexedDB().open(this._name, 1);
      request.onupgradeneeded = () => {
        for (const name of NAMES) request.result.createObjectStore(name, {keyPath: KEYS[name]});
      };
      this._opening = finished(request).then(database => {
        database.onclose = () => { this._opening = null; };
        database.onversionchange = () => { database.close(); this._opening = null; };
        return database;
      });
      this._opening.catch(() => { this._opening = null; });
    }
    return this._opening;
  }
}

class Tables {
  constructor(transaction) { this._transaction = transaction; }

  get(name, key) { return finished(this._transaction.objectStore(name).get(key)); }

  /* Rows whose key begins with these parts. Arrays sort after all that an array element can be. */
  list(name, start) { return finished(this._transaction.objectStore(name).getAll(below(start))); }
  count(name, start) { return finished(this._transaction.objectStore(name).count(below(start))); }

  put(name, row) { this._transaction.objectStore(name).put(row); }

  /* By row, or by what of a row makes its key. */
  delete(name, row) { this._transaction.objectStore(name).delete(KEYS[name].map(part => row[part])); }
}

function below(start) { return IDBKeyRange.bound(start, [...start, []]); }

function finished(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
