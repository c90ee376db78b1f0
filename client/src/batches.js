/* What goes into one POST: which objects, how many, and which of them rest because they were refused. */
import {checkObject, toJson} from './objects.js';
import {identity} from './tools.js';

const BATCH_BYTES = 512 * 1024; // of a batch, but at least one object: larger ones take long on slow
                                // lines, and do not fit into the browser's storage
const FEW = 100;                // up to so many objects of no great size go without asking for limits
const byteCount = text => new TextEncoder().encode(text).length;

export class Batches {
  constructor() {
    this._parked = new Map(); // identity → text of a refused object; a changed one is tried again
    this._most = Infinity;    // objects of a batch, once the server found one too large
    this._limits = null;      // what /info says
  }

  /* The objects worth sending as {object, version, key, plain}; bad ones are parked and added to
   * `refused`. */
  _choose(objects, versions, refused) {
    const seen = new Set();
    const items = [];
    objects.forEach((object, i) => {
      const problem = checkObject(object, seen);
      const plain = toJson(object) || problem + toJson(object?.id);
      const item = {object, plain, version: versions && versions[i], key: problem ? plain : identity(object)};
      if (this._parked.get(item.key) === plain) return;
      if (problem) this._park(item, problem, null, refused);
      else items.push(item);
    });
    return items;
  }

  /* How many of the items fit into one POST, at least one. Each has its text by now. */
  _count(items) {
    const {max_post_objects: most = Infinity, max_post_bytes: room = Infinity} = this._limits || {};
    let bytes = 2;
    let count = 0;
    while (count < Math.min(items.length, this._most, most)) {
      bytes += items[count].bytes + 1;
      if (count > 0 && bytes > Math.min(room, BATCH_BYTES)) break;
      count++;
    }
    return count;
  }

  _measure(items) {
    let bytes = 0;
    for (const item of items) bytes += item.bytes = byteCount(item.text);
    return !this._limits && (items.length > FEW || bytes > BATCH_BYTES / 4);
  }

  /* Objects that are larger than the server takes need no journey to learn that. */
  _obey(limits, items, refused) {
    this._limits = limits || {};
    const most = this._limits.max_object_bytes || Infinity;
    return items.filter(item => item.bytes <= most ||
      this._park(item, `it has ${item.bytes} bytes, the server takes ${most}`, 'too_large', refused));
  }

  _park(item, problem, code, refused) {
    this._parked.set(item.key, item.plain);
    refused.push({object: item.object, error: problem, ...(code && {code})});
  }

  /* True when sending differently can help: without the bad objects, or in smaller batches. */
  _learn(error, items, refused) {
    const named = Array.isArray(error.errors) ? error.errors.filter(entry => items[entry.index]) : [];
    if (error.code === 413 && !named.length && items.length > 1) {
      this._most = Math.ceil(items.length / 2);
      return true;
    }
    if (error.code === 413 && !named.length) named.push({index: 0, code: error.error});
    if (error.code !== 413 && error.code !== 400) return false;
    for (const entry of named) {
      this._park(items[entry.index], entry.message || error.message, entry.code, refused);
    }
    return named.length > 0;
  }
}
