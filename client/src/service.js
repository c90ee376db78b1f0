/* One sync: gets what is new, puts what is pending, merges and puts again. */
import {AppData} from './appdata.js';
import {Batches} from './batches.js';
import {env} from './env.js';
import {addBlobAddresses, answered, checkObject, isNews, KEY_TYPE, newest} from './objects.js';
import {LocalStorage} from './storage.js';
import {takeTurn} from './tabs.js';
import {ask, deliver, failure, noop, randomId} from './tools.js';

const MAX_ROUNDS = 40; // conflicts, halvings and refusals one sync works through

/* Its state is one value, so that a reload finds either the old one or the new one:
 *   path          the collection it belongs to; another user's login starts from scratch
 *   collectionId, position        the stream that is followed, and how far it was seen
 *   previousId, generation, whole    for a store: the stream followed before this one, how many there
 *                 were, and whether this one was seen to its end
 *   client, seq   who this is for the server, and the number of the last batch
 *   batch         {client, seq, since, collectionId, body, versions}: sent, not yet answered
 *   key           how the collection is encrypted (encryption.js)
 *   lastSyncTime, lastSyncPut     for people
 */
export class Service {
  constructor(server, appData, storage) {
    if (!appData) throw new Error('appData is missing');
    this.server = server;
    this.appData = appData;
    this.storage = storage || new LocalStorage('sync::');
    this.cipher = null;
    this._onstatus = null;
    this.pending = 0;           // objects that waited when last asked
    this._store = appData.isStore ? appData : new AppData(appData, this.storage);
    this._state = Service._freshState();
    this._sender = null;        // {client, seq}: who this tab is where tabs cannot take turns
    this._sent = null;          // {client, seq, objects} of the open batch; after a reload only its body is left
    this._batches = new Batches();
    this._signal = undefined;   // of the sync that runs
    this._last = this._load().catch(noop); // syncs, resets and deletes run one after another
  }

  lastSyncTime() { return this._state.lastSyncTime || 0; }

  /* Gets what is new, then puts what is pending. A collection that was deleted on the server is an
   * error with .collection_deleted, unless forcePut says to start it again from what is here. For
   * promises: syncNow({forcePut, signal}). */
  syncNow(callback, forcePut) {
    const options = callback && typeof callback === 'object' ? callback : {forcePut};
    return this._enqueue(() => this._sync(Boolean(options.forcePut)),
      typeof callback === 'function' ? callback : null, options.signal);
  }

  /* Forgets all that is known of the server; the next sync starts from scratch. */
  reset(callback) {
    return this._enqueue(() => this._startOver(null), callback);
  }

  /* Deletes the collection on the server; nothing local changes. */
  deleteCollection(reason, callback) {
    return this._enqueue(async () => {
      const details = Object.assign({client_id: this._state.client},
        typeof reason === 'string' ? {reason} : reason);
      const result = await ask(done => this.server.deleteCollection(details, done,
        {collection_id: this._state.collectionId}));
      this.sendStatus({status: 'delete_collection'});
      return result;
    }, callback);
  }

  /* Sends what fits into one request that outlives the page. Its answer may never be seen; then it
   * is asked for at the next sync. */
  flush(callback) {
    return this._enqueue(() => this._flush(), callback);
  }

  _canWait() { return Boolean(this.server.collectionPath); }

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
    const told = {timestamp: env.now(), ...message};
    this.appData.status?.(told);
    this._onstatus?.(told);
  }

  static checkObject(object, seen) { return checkObject(object, seen || new Set()); }

  /* ---- Turns and state ---- */

  _enqueue(work, callback, signal) {
    const run = () => takeTurn(this.server.collectionPath, this._store.isStore, async () => {
      if (signal?.aborted) throw failure('cancelled', 'the sync was cancelled');
      this._signal = signal;
      await this._load();
      return work();
    });
    const result = this._last.then(run);
    this._last = result.catch(noop);
    return deliver(result, callback);
  }

  static _freshState() {
    return {path: null, collectionId: null, previousId: null, generation: 1, whole: false, position: 0,
      client: null, seq: 0, batch: null, key: null, lastSyncTime: 0, lastSyncPut: 0};
  }

  async _load() {
    this._state = Object.assign(Service._freshState(), await this._store._load());
    if (!this._state.client) this._state.client = randomId();
  }

  async _save(changes) {
    const next = {...this._state, ...changes};
    await this._store._save(next);
    this._state = next;
  }

  async _startOver(collectionId) {
    // A new client id: what this one sent before counts as unseen from now on.
    const {generation, whole, previousId, collectionId: last} = this._state;
    const next = Object.assign(Service._freshState(), {path: this.server.collectionPath,
      collectionId: collectionId, previousId: whole ? last : previousId, generation: generation + 1,
      client: randomId()});
    await this._store._reset(next);
    this._sender = null;
    this._state = next;
    this.sendStatus({status: 'reset'});
  }

  /* ---- One sync ---- */

  async _sync(forcePut) {
    this.sendStatus({status: 'sync_start'});
    await this._checkUser();
    await this._step('sync_get', async () => {
      if (this._state.batch) await this._putBatch(); // its answer got lost: settle that first
      await this._pull();
    }).catch(async error => {
      if (!error.collection_deleted || !forcePut) throw error;
      await this._startOver(null);
      await this._absorb(null);
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
    else await this._save({path});
  }

  /* One request of this sync. A login that changed meanwhile would send one user's data to
   * another's collection. */
  _ask(call) {
    if (this.server.collectionPath !== this._state.path) {
      throw failure('user_changed', 'another user has logged in');
    }
    return ask(call);
  }

  /* ---- Reading ---- */

  async _pull() {
    let more = true;
    let received = 0;
    while (more) {
      const {position, collectionId, client} = this._state;
      const answer = await this._ask(done => this.server.get(position, done,
        {collection_id: collectionId, client}, this._signal));
      more = await this._absorb(answer);
      received += answer?.objects?.length || 0;
      if (more) this.sendStatus({status: 'sync_progress', received, pending: answer.pending});
    }
  }

  /* Takes in a read answer; true when the server has more. */
  async _absorb(answer) {
    answer = answer || {objects: []}; // 204
    if (answer.collection_deleted) {
      throw failure('collection_deleted', 'the collection was deleted',
        {collection_deleted: answer.collection_deleted});
    }
    if (!Array.isArray(answer.objects)) throw failure('bad_answer', 'the answer has no objects');
    const changed = Boolean(answer.collection_changed);
    if (changed) await this._startOver(answer.collection_id);
    const before = this._state.position;
    // Own objects that this storage knows nothing of are news here, too.
    const anew = changed || answer.client_seq > this._state.seq;
    const mine = !anew && answer.mine || [];
    const next = this._afterReading(answer, changed);
    const entries = await this._decode(newest(answer.objects, mine), next);
    const own = await this._decode(answer.objects.filter(([counter]) => mine.includes(counter)), next);
    await this._store._received(entries, next, own);
    this._state = next;
    if (answer.incomplete && this._state.position <= before) {
      throw failure('bad_answer', `nothing comes after position ${before}`);
    }
    return Boolean(answer.incomplete);
  }

  _afterReading(answer, changed) {
    const last = answer.objects.length ? answer.objects[answer.objects.length - 1][0] : 0;
    const next = {...this._state, 
      position: Math.max(this._state.position, answer.until || last),
      collectionId: answer.collection_id || this._state.collectionId,
    };
    if (!answer.incomplete) Object.assign(next, {lastSyncTime: env.now(), whole: true});
    // The server knows a later batch than we do: this storage is a copy or went back in time, and
    // its next number is taken. Going on as someone new is always safe.
    if (!changed && answer.client_seq > this._state.seq) {
      Object.assign(next, {client: randomId(), seq: 0});
    }
    return next;
  }

  /* Plain entries, without the one that tells how the others are encrypted. */
  async _decode(entries, next) {
    const found = entries.find(([, object]) => object.type === KEY_TYPE);
    if (found) next.key = found[1].data;
    if (!next.key) return entries;
    if (!this.cipher) throw failure('encrypted', 'the collection is encrypted');
    await this.cipher.open(next.key);
    const plain = entries.filter(([, object]) => object.type !== KEY_TYPE);
    return Promise.all(plain.map(async ([counter, object]) => [counter, await this.cipher.decrypt(object)]));
  }

  /* ---- Writing ---- */

  /* Puts all that is pending. Whenever the server wants it otherwise (something newer, a smaller
   * batch, a refused object), the app is asked anew: it may have merged or changed since. */
  async _push() {
    const refused = [];
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const items = await this._itemsToSend(refused);
      if (await this._putAll(items, refused)) {
        this.pending = 0;
        if (refused.length) throw this._refusal(refused);
        return;
      }
    }
    throw failure('conflict', `no agreement after ${MAX_ROUNDS} rounds`);
  }

  async _itemsToSend(refused) {
    const {objects, versions} = await this._store._pending();
    this.pending = objects.length;
    const items = this._batches._choose(objects, versions, refused);
    if (items.length && this.cipher) await this._openCipher(items);
    for (const item of items) {
      item.text = this.cipher ? JSON.stringify(await this.cipher.encrypt(item.object)) : item.plain;
    }
    if (!this._batches._measure(items)) return items;
    return this._batches._obey(await this.server.info().catch(noop), items, refused);
  }

  /* The first to write tells the others how to read it. If somebody else was faster, the server
   * refuses the batch, and theirs is taken. */
  async _openCipher(items) {
    const key = this._state.key;
    if (key) return this.cipher.open(key);
    items.unshift({object: {type: KEY_TYPE, id: 'key', data: await this.cipher.begin()}});
  }

  _refusal(refused) {
    const error = failure('objects_refused', `${refused.length} objects were refused, the rest is saved`,
      {detail: refused});
    this.appData.reportObjectErrors?.(refused);
    return error;
  }

  /* False when the app must be asked again before the rest can go. */
  async _putAll(items, refused) {
    let rest = items;
    while (rest.length) {
      const part = rest.slice(0, this._batches._count(rest));
      await this._openBatch(part);
      this.sendStatus({status: 'sync_put', count: part.length});
      try {
        if (!await this._putBatch()) return false;
      } catch (error) {
        if (!this._batches._learn(error, part, refused)) throw error;
        return false;
      }
      this.sendStatus({status: 'sync_put_complete'});
      rest = rest.slice(part.length);
    }
    return true;
  }

  async _flush() {
    const {path, whole, batch} = this._state;
    if (!whole || path !== this.server.collectionPath) return;
    if (!batch) {
      const items = await this._itemsToSend([]);
      if (!items.length) return;
      await this._openBatch(items.slice(0, this._batches._count(items)));
    }
    if (await this._putBatch({keepalive: true})) this.sendStatus({status: 'sync_put_complete'});
  }

  /* The batch is written down before it is sent, or a reload could not ask what became of it. */
  async _openBatch(items) {
    const {position, collectionId} = this._state;
    const {client, seq} = this._nextNumber();
    const batch = {client, seq, since: position, collectionId,
      body: '[' + items.map(item => item.text).join(',') + ']', versions: items.map(item => item.version)};
    this._sent = {client, seq, objects: items.map(item => item.object)};
    try {
      await this._save({client, seq, batch});
    } catch (error) {
      // Storage too small for it (blobs): the number alone, so that it is never used twice.
      await this._save({client, seq, batch: null});
      this._state.batch = batch;
    }
  }

  /* Without locks (old browsers, plain http) another tab may be numbering from the same state at
   * this moment: then each is a client of its own, whose numbers are in its memory only. */
  _nextNumber() {
    const {client, seq} = this._state;
    if (env.locks) return {client, seq: seq + 1};
    if (!this._sender) this._sender = {client: randomId(), seq: 0};
    this._sender.seq++;
    return {...this._sender};
  }

  /* Sends the open batch; true when the server has it, false when it was refused for something
   * newer, which has been taken in. An error without an answer leaves the batch open. */
  async _putBatch(how) {
    const batch = this._state.batch;
    const answer = await this._ask(done => this.server.put(batch.since, batch.body, done,
      {collection_id: batch.collectionId, client: batch.client || this._state.client, seq: batch.seq},
      {signal: this._signal, ...how})
    ).catch(async error => {
      if (answered(error)) await this._save({batch: null});
      throw error;
    });
    if (answer?.object_counters) {
      await this._batchSaved(batch, answer);
      return true;
    }
    await this._save({batch: null});
    this.sendStatus({status: 'sync_put_precondition_failed'});
    if (await this._absorb(answer)) await this._pull();
    return false;
  }

  async _batchSaved(batch, answer) {
    const known = this._sent?.seq === batch.seq && this._sent.client === batch.client;
    const objects = known ? this._sent.objects : JSON.parse(batch.body);
    const counters = answer.object_counters;
    if (counters.length !== objects.length) {
      this._sender = null;
      await this._save({batch: null, client: randomId(), seq: 0});
      throw failure('bad_answer', `${counters.length} counters for ${objects.length} objects`);
    }
    addBlobAddresses(objects, answer.blobs || []);
    const next = {...this._state, batch: null, lastSyncPut: env.now(),
      lastSyncTime: env.now(), position: Math.max(this._state.position, counters[counters.length - 1]),
      collectionId: answer.collection_id || this._state.collectionId};
    const versions = batch.versions || [];
    let saved = objects.map((object, i) => ({object, counter: counters[i], version: versions[i]}));
    if (saved[0].object.type === KEY_TYPE) next.key = saved.shift().object.data;
    if (!known && next.key) saved = await this._decrypt(saved, next.key);
    await this._store._saved(saved, next);
    this._state = next;
  }

  async _decrypt(saved, key) {
    await this.cipher.open(key);
    return Promise.all(saved.map(async entry =>
      Object.assign(entry, {object: await this.cipher.decrypt(entry.object)})));
  }
}
