/* One sync: gets what is new, puts what is pending, merges and puts again. */
import {env} from './env.js';
import {addBlobAddresses, answered, checkObject, isNews, newest, NOT_JSON, objectId}
  from './objects.js';
import {LocalStorage} from './storage.js';
import {ask, deliver, failure, identity, noop, randomId} from './tools.js';

const LOCK_SECONDS = 60;            // how long one tab waits for another to finish its sync
const BATCH_LENGTH = 512 * 1024;    // characters of a batch, but at least one object: larger ones take
                                    // long on slow lines, and do not fit into the browser's storage
const MAX_ROUNDS = 40;              // conflicts, halvings and refusals one sync works through
const STATE_KEY = 'syncState';

/* Its state is one value under one key, so that a reload finds either the old one or the new one:
 *   path          the collection it belongs to; another user's login starts from scratch
 *   collectionId, position        the stream that is followed, and how far it was seen
 *   client, seq   who this is for the server, and the number of the last batch
 *   batch         {seq, since, collectionId, body}: sent, not yet answered
 *   lastSyncTime, lastSyncPut     for people
 */
export class Service {
  constructor(server, appData, storage) {
    if (!appData) throw new Error('new Sync.Service(server, appData): appData is missing');
    this.server = server;
    this.appData = appData;
    this.storage = storage || new LocalStorage('sync::');
    this._state = Service.freshState();
    this._sender = null;        // {client, seq}: who this tab is where tabs cannot take turns
    this._sent = null;          // {seq, objects} of the open batch; after a reload only its body is left
    this._parked = new Map();   // identity → text of a refused object; a changed one is tried again
    this._batchLimit = Infinity; // until the server finds a batch too large
    this._last = this._load().catch(noop); // syncs, resets and deletes run one after another
  }

  lastSyncTime() { return this._state.lastSyncTime || 0; }

  /* Gets what is new, then puts what is pending. A collection that was deleted on the server is an
   * error with .collection_deleted, unless forcePut says to start it again from what is here. */
  syncNow(callback, forcePut) {
    return this._enqueue(() => this._sync(Boolean(forcePut)), callback);
  }

  /* Forgets all that is known of the server; the next sync starts from scratch. */
  reset(callback) {
    return this._enqueue(() => this._startOver(null), callback);
  }

  /* Deletes the collection on the server; nothing local changes. */
  deleteCollection(reason, callback) {
    return this._enqueue(async () => {
      const details = Object.assign({client_id: this._state.client},
        typeof reason === 'string' ? {reason: reason} : reason);
      const result = await ask(done => this.server.deleteCollection(details, done,
        {collection_id: this._state.collectionId}));
      this.sendStatus({status: 'delete_collection'});
      return result;
    }, callback);
  }

  canWait() { return Boolean(this.server.collectionPath); }

  /* Calls back with (error, true) when there is something to get, (null, false) when the time
   * passed without. Only a hint: the objects come by syncNow, on the one way that keeps promise
   * 1, so one object is all that is asked for. Returns a function that cancels. */
  waitForNews(seconds, callback) {
    const aborter = new AbortController();
    const state = this._state;
    this.server.get(state.position, (error, answer) => {
      if (!aborter.signal.aborted) callback(error, isNews(answer));
    }, {collection_id: state.collectionId, limit: 1, wait: seconds}, aborter.signal);
    return () => aborter.abort();
  }

  sendStatus(message) {
    if (this.appData.status) this.appData.status(Object.assign({timestamp: env.now()}, message));
  }

  _enqueue(work, callback) {
    const run = () => this._locked(async () => {
      await this._load();
      return work();
    });
    const result = this._last.then(run);
    this._last = result.catch(noop);
    return deliver(result, callback);
  }

  /* Tabs share the storage, so they take turns: two that number their batches from the same state
   * would each take the other's answer for its own. */
  _locked(work) {
    if (!env.locks) return work();
    const aborter = new AbortController();
    const timer = env.setTimeout(() => aborter.abort(), LOCK_SECONDS * 1000);
    return env.locks.request(`cutout-sync ${this.server.collectionPath}`, {signal: aborter.signal},
      () => { env.clearTimeout(timer); return work(); }
    ).catch(error => {
      if (!aborter.signal.aborted) throw error;
      throw failure('locked', 'another tab has been syncing for a long time');
    });
  }

  static freshState() {
    return {path: null, collectionId: null, position: 0, client: null, seq: 0, batch: null,
      lastSyncTime: 0, lastSyncPut: 0};
  }

  async _load() {
    const stored = await new Promise(resolve => {
      // the classic storage calls back with the value alone; (error, value) is understood too
      this.storage.get(STATE_KEY, (...found) => resolve(found[found.length - 1]));
    });
    this._state = Object.assign(Service.freshState(), stored);
    if (!this._state.client) this._state.client = randomId();
  }

  async _save(changes) {
    const next = Object.assign({}, this._state, changes);
    await ask(done => this.storage.put({[STATE_KEY]: next}, done));
    this._state = next;
  }

  async _startOver(collectionId) {
    // A new client id: what this one sent before counts as unseen from now on.
    if (this.appData.resetSaved) await this.appData.resetSaved(noop);
    this._sender = null;
    await this._save(Object.assign(Service.freshState(),
      {path: this.server.collectionPath, collectionId: collectionId, client: randomId()}));
    this.sendStatus({status: 'reset'});
  }

  async _sync(forcePut) {
    this.sendStatus({status: 'sync_start'});
    await this._checkUser();
    await this._step('sync_get', async () => {
      if (this._state.batch) await this._putBatch(); // its answer got lost: settle that first
      await this._pull();
    }).catch(error => {
      if (!error.collection_deleted || !forcePut) throw error;
      return this._startOver(null);
    });
    this.sendStatus({status: 'sync_get'});
    await this._step('sync_put', () => this._push());
    this.sendStatus({status: 'sync_done'});
  }

  async _step(name, work) {
    try {
      return await work();
    } catch (error) {
      this.sendStatus({error: error.code === 401 ? 'auth' : name, detail: error});
      throw error;
    }
  }

  async _checkUser() {
    const path = this.server.collectionPath;
    if (!path) throw failure('not_logged_in', 'nobody is logged in');
    if (this._state.path === path) return;
    if (this._state.path) await this._startOver(null);
    else await this._save({path: path});
  }

  /* One request of this sync. A login that changed meanwhile would send one user's data to
   * another's collection. */
  _ask(call) {
    if (this.server.collectionPath !== this._state.path) {
      throw failure('user_changed', 'another user has logged in');
    }
    return ask(call);
  }

  async _pull() {
    let more = true;
    while (more) {
      const {position, collectionId, client} = this._state;
      more = await this._absorb(await this._ask(done => this.server.get(position, done,
        {collection_id: collectionId, client: client})));
    }
  }

  /* Takes in a read answer; true when the server has more. */
  async _absorb(answer) {
    if (answer === null) {
      await this._save({lastSyncTime: env.now()});
      return false;
    }
    if (answer.collection_deleted) {
      throw failure('collection_deleted', 'the collection was deleted on the server',
        {collection_deleted: answer.collection_deleted});
    }
    if (!Array.isArray(answer.objects)) throw failure('bad_answer', 'the answer has no objects');
    const changed = Boolean(answer.collection_changed);
    if (changed) await this._startOver(answer.collection_id);
    const before = this._state.position;
    // Own objects that this storage knows nothing of are news here, too.
    const anew = changed || answer.client_seq > this._state.seq;
    const received = newest(answer.objects, anew ? [] : answer.mine || []);
    if (received.length) await this.appData.objectsReceived(received, noop);
    await this._save(this._afterReading(answer, changed));
    if (answer.incomplete && this._state.position <= before) {
      throw failure('bad_answer', `more than position ${before} is promised, but does not come`);
    }
    return Boolean(answer.incomplete);
  }

  _afterReading(answer, changed) {
    const last = answer.objects.length ? answer.objects[answer.objects.length - 1][0] : 0;
    const next = {
      position: Math.max(this._state.position, answer.until || last),
      collectionId: answer.collection_id || this._state.collectionId,
    };
    if (!answer.incomplete) next.lastSyncTime = env.now();
    // The server knows a later batch than we do: this storage is a copy or went back in time, and
    // its next number is taken. Going on as someone new is always safe.
    if (!changed && answer.client_seq > this._state.seq) {
      Object.assign(next, {client: randomId(), seq: 0});
    }
    return next;
  }

  /* Puts all that is pending. Whenever the server wants it otherwise (something newer, a smaller
   * batch, a refused object), the app is asked anew: it may have merged or changed since. */
  async _push() {
    const refused = [];
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const items = this._sendable(await this._pendingObjects(), refused);
      if (await this._putAll(items, refused)) {
        if (refused.length) throw this._refusal(refused);
        return;
      }
    }
    throw failure('conflict', `the server still disagreed after ${MAX_ROUNDS} rounds`);
  }

  _pendingObjects() {
    return new Promise((resolve, reject) => {
      this.appData.getPendingObjects((error, objects) => {
        if (Array.isArray(error)) resolve(error); // callback(objects), as many apps have it
        else if (error) reject(error);
        else resolve(objects || []);
      });
    });
  }

  /* The objects worth sending, with their text; bad ones are parked and added to `refused`. */
  _sendable(objects, refused) {
    const seen = new Set();
    const items = [];
    for (const object of objects) {
      const problem = checkObject(object, seen);
      const text = problem === NOT_JSON ? `${NOT_JSON}: ${objectId(object)}` : JSON.stringify(object);
      const key = problem ? text : identity(object);
      if (this._parked.get(key) === text) continue;
      if (problem) this._park({object: object, text: text, key: key}, problem, null, refused);
      else items.push({object: object, text: text, key: key});
    }
    return items;
  }

  _park(item, problem, code, refused) {
    this._parked.set(item.key, item.text);
    refused.push(Object.assign({object: item.object, error: problem}, code ? {code: code} : null));
  }

  _refusal(refused) {
    const error = failure('objects_refused', `${refused.length} objects were refused, the rest is saved`,
      {detail: refused});
    if (this.appData.reportObjectErrors) this.appData.reportObjectErrors(refused);
    return error;
  }

  /* False when the app must be asked again before the rest can go. */
  async _putAll(items, refused) {
    let rest = items;
    while (rest.length) {
      const part = this._nextPart(rest);
      await this._openBatch(part);
      this.sendStatus({status: 'sync_put', count: part.length});
      try {
        if (!await this._putBatch()) return false;
      } catch (error) {
        if (!this._learnFromRefusal(error, part, refused)) throw error;
        return false;
      }
      this.sendStatus({status: 'sync_put_complete'});
      rest = rest.slice(part.length);
    }
    return true;
  }

  _nextPart(items) {
    let length = 0;
    let count = 0;
    while (count < Math.min(items.length, this._batchLimit)) {
      length += items[count].text.length + 1;
      if (count > 0 && length > BATCH_LENGTH) break;
      count++;
    }
    return items.slice(0, count);
  }

  /* The batch is written down before it is sent, or a reload could not ask what became of it. */
  async _openBatch(items) {
    const {position, collectionId} = this._state;
    const {client, seq} = this._nextNumber();
    const batch = {client: client, seq: seq, since: position, collectionId: collectionId,
      body: '[' + items.map(item => item.text).join(',') + ']'};
    this._sent = {client: client, seq: seq, objects: items.map(item => item.object)};
    try {
      await this._save({client: client, seq: seq, batch: batch});
    } catch (error) {
      // Storage too small for it (blobs): the number alone, so that it is never used twice.
      await this._save({client: client, seq: seq, batch: null});
      this._state.batch = batch;
    }
  }

  /* Without locks (old browsers, plain http) another tab may be numbering from the same state at
   * this moment: then each is a client of its own, whose numbers are in its memory only. */
  _nextNumber() {
    const {client, seq} = this._state;
    if (env.locks) return {client: client, seq: seq + 1};
    if (!this._sender) this._sender = {client: randomId(), seq: 0};
    this._sender.seq++;
    return Object.assign({}, this._sender);
  }

  /* Sends the open batch; true when the server has it, false when it was refused for something
   * newer, which has been taken in. An error without an answer leaves the batch open. */
  async _putBatch() {
    const batch = this._state.batch;
    const answer = await this._ask(done => this.server.put(batch.since, batch.body, done,
      {collection_id: batch.collectionId, client: batch.client || this._state.client, seq: batch.seq})
    ).catch(async error => {
      if (answered(error)) await this._save({batch: null});
      throw error;
    });
    if (answer && answer.object_counters) {
      await this._batchSaved(batch, answer);
      return true;
    }
    await this._save({batch: null});
    this.sendStatus({status: 'sync_put_precondition_failed'});
    if (await this._absorb(answer)) await this._pull();
    return false;
  }

  async _batchSaved(batch, answer) {
    const known = this._sent && this._sent.seq === batch.seq && this._sent.client === batch.client;
    const objects = known ? this._sent.objects : JSON.parse(batch.body);
    const counters = answer.object_counters;
    if (counters.length !== objects.length) {
      this._sender = null;
      await this._save({batch: null, client: randomId(), seq: 0});
      throw failure('bad_answer', `${counters.length} counters for ${objects.length} objects`);
    }
    addBlobAddresses(objects, answer.blobs || []);
    await this.appData.objectsSaved(objects, noop);
    await this._save({batch: null, lastSyncPut: env.now(), lastSyncTime: env.now(),
      position: Math.max(this._state.position, counters[counters.length - 1]),
      collectionId: answer.collection_id || this._state.collectionId});
  }

  /* True when sending differently can help: without the bad objects, or in smaller batches. */
  _learnFromRefusal(error, items, refused) {
    if (error.code === 413 && items.length > 1) {
      this._batchLimit = Math.ceil(items.length / 2);
      return true;
    }
    const named = error.code === 413 ? [{index: 0, code: error.error}]
      : error.code === 400 && Array.isArray(error.errors) ? error.errors : [];
    const bad = named.filter(entry => items[entry.index]);
    for (const entry of bad) {
      this._park(items[entry.index], entry.message || error.message, entry.code, refused);
    }
    return bad.length > 0;
  }

  static checkObject(object, seen) { return checkObject(object, seen || new Set()); }
}
