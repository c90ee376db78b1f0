/* Where the client keeps its own few values. */
import {env} from './env.js';
import {failure, noop} from './tools.js';

/* A store is anything with get(name or names, callback(value or values)), put({name: value},
 * callback(error)) or put(name, value, callback), and clear(callback). null removes. */
export class LocalStorage {
  constructor(prefix) {
    this._prefix = prefix || '';
  }

  get(names, callback) {
    if (typeof names === 'string') return callback(this._read(names));
    const values = {};
    for (const name of names) values[name] = this._read(name);
    callback(values);
  }

  put(names, value, callback) {
    if (typeof names === 'string') return this.put({[names]: value}, callback);
    callback = value || noop;
    try {
      for (const name of Object.keys(names)) this._write(name, names[name]);
    } catch (error) {
      return callback(error);
    }
    callback(null);
  }

  /* Without a prefix it would empty what belongs to others. */
  clear(callback) {
    callback = callback || noop;
    if (!this._prefix) return callback(failure('no_prefix', 'it has no prefix'));
    const store = env.localStorage();
    const names = Array.from({length: store.length}, (_, i) => store.key(i));
    names.filter(name => name.startsWith(this._prefix)).forEach(name => store.removeItem(name));
    callback(null);
  }

  _read(name) {
    const text = env.localStorage().getItem(this._prefix + name);
    return text === null ? null : JSON.parse(text);
  }

  _write(name, value) {
    if (value === null) env.localStorage().removeItem(this._prefix + name);
    else env.localStorage().setItem(this._prefix + name, JSON.stringify(value));
  }
}

/* Asks the browser not to evict what is stored. It may say no; then everything comes again with the next
 * sync. */
export function askToPersist() {
  const {storageManager} = env;
  if (storageManager?.persist) storageManager.persist().catch(noop);
}
