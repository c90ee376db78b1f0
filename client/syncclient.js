/* syncclient.js keeps the data of an offline-first app in step with a cutoutd server.
 *
 *   var sync = new Sync(appData, {appName: 'notes'});
 *
 * Sync ties four parts together; each can be used alone:
 *   Sync.Server     one collection over HTTP: get, put, deleteCollection; remembers no position
 *   Sync.Service    one sync: what was seen, what is on its way, merge and put again
 *   Sync.Scheduler  when to sync: pace, back-off, tab visibility, long-poll
 *   an authenticator (Sync.PersonaAuthenticator, Sync.DevAuthenticator): who the user is
 *
 * Promises that the tests hold this file to:
 *   1. The position moves only after the app has taken what came before it. objectsReceived and
 *      objectsSaved may return a promise; the client waits for it.
 *   2. A batch whose answer got lost goes again first, with the same bytes and number, so that the
 *      server can say "I have that one". An app never gets its own objects as someone else's.
 *   3. Nothing the server says makes the client drop what the app still reports as pending.
 *   4. Callbacks are called once, as (error, result).
 *
 * Plain ES2017, no dependencies. docs/protocol.md describes the HTTP side. */
(function (root) {
'use strict';

const REQUEST_SECONDS = 60;         // a request that takes longer is given up and tried again
const WAIT_GRACE_SECONDS = 10;      // a held request gets this much more than it asked for
const LOCK_SECONDS = 60;            // how long one tab waits for another to finish its sync
const LONGEST_RETRY_AFTER = 2 * 24 * 3600; // a server that says more than two days is not believed
const BATCH_LENGTH = 512 * 1024;    // characters of a batch, but at least one object: larger ones take
                                    // long on slow lines, and do not fit into the browser's storage
const MAX_ROUNDS = 40;              // conflicts, halvings and refusals one sync works through
const STATE_KEY = 'syncState';
const OPTIONS = ['serverUrl', 'bucket', 'appName', 'verifyUrl', 'storage', 'assertion',
  'authenticator', 'wait'];
const MEMBERS = ['type', 'id', 'expires', 'data', 'deleted', 'blob'];
const NOT_JSON = 'it cannot be written as JSON';
const BLOB_MEMBERS = ['href', 'data', 'content_type'];

/* All that comes from the surroundings, so that a test can bring its own network, clock and page. */
const env = {
  fetch: (url, init) => root.fetch(url, init),
  setTimeout: (fn, ms) => root.setTimeout(fn, ms),
  clearTimeout: id => root.clearTimeout(id),
  now: () => Date.now(),
  random: () => Math.random(),
  randomBytes: bytes => root.crypto.getRandomValues(bytes),
  localStorage: () => root.localStorage, // a function: merely touching it throws in some browsers
  location: root.location || null,
  document: root.document || null,
  events: root.addEventListener ? root : null,
  locks: root.document && root.navigator && root.navigator.locks || null,
  personaId: () => root.navigator && root.navigator.id || null,
};

function noop() {}

/* An error is an Error with a short code in .error, as the server's own error bodies have. */
function failure(code, message, more) {
  return Object.assign(new Error(message), {error: code}, more);
}

/* Hands a promise's outcome to a callback. Called from a fresh task, so that what the callback
 * throws is the page's error and cannot be mistaken for a failed sync. */
function deliver(promise, callback) {
  const done = callback || noop;
  promise.then(result => done(null, result), error => done(error));
}

/* A promise for what a function with a trailing callback reports. */
function ask(call) {
  return new Promise((resolve, reject) => {
    call((error, result) => error ? reject(error) : resolve(result));
  });
}

function parseJson(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === 'object' ? value : null;
  } catch (error) {
    return null;
  }
}

function resolveUrl(url) {
  if (/^https?:\/\//i.test(url || '')) return url.replace(/\/+$/, '');
  const base = (Sync.baseUrl || env.location && env.location.origin || '').replace(/\/+$/, '');
  const path = (url || '').replace(/^\/+|\/+$/g, '');
  return path ? base + '/' + path : base;
}

function queryText(values) {
  return Object.keys(values)
    .filter(key => values[key] !== undefined && values[key] !== null)
    .map(key => encodeURIComponent(key) + '=' + encodeURIComponent(values[key]))
    .join('&');
}

function randomId() {
  const bytes = env.randomBytes(new Uint8Array(16));
  return Array.from(bytes, byte => (byte + 256).toString(16).slice(1)).join('');
}

function identity(object) {
  return JSON.stringify([object.type === undefined ? null : object.type, object.id]);
}

/* One HTTP exchange with a time limit: a half-open connection must not stop the sync. */
async function exchange(url, init, seconds, signal) {
  const aborter = new AbortController();
  const timer = env.setTimeout(() => aborter.abort(), seconds * 1000);
  if (signal) signal.addEventListener('abort', () => aborter.abort());
  try {
    const response = await env.fetch(url,
      Object.assign({cache: 'no-store', signal: aborter.signal}, init));
    return {status: response.status, text: await response.text(),
      header: name => response.headers.get(name)};
  } catch (error) {
    if (signal && signal.aborted) throw failure('cancelled', 'the request was cancelled');
    const late = aborter.signal.aborted;
    throw failure(late ? 'timeout' : 'network',
      late ? `no answer within ${seconds} s` : 'the server cannot be reached',
      {code: 0, cause: error});
  } finally {
    env.clearTimeout(timer);
  }
}

class Sync {
  constructor(appData, options) {
    if (!appData) throw new Error('new Sync(appData): appData is missing');
    options = options || {};
    const unknown = Object.keys(options).find(name => !OPTIONS.includes(name));
    if (unknown) throw new Error(`Sync has no option "${unknown}"`);
    const url = resolveUrl(options.serverUrl);
    this.storage = options.storage || new Sync.LocalStorage('sync::');
    this.authenticator = options.authenticator || new Sync.PersonaAuthenticator(
      options.verifyUrl || url + '/verify', this.storage, options.assertion);
    this.server = new Sync.Server(url, options.bucket || options.appName || 'bucket',
      this.authenticator);
    this.service = new Sync.Service(this.server, appData, this.storage);
    this.scheduler = new Sync.Scheduler(this.service, this.authenticator, {wait: options.wait});
    if (appData.onupdate !== undefined) appData.onupdate = () => this.scheduleImmediately();
  }
  lastSyncTime() { return this.service.lastSyncTime(); }
  resetSchedule() { this.scheduler.resetSchedule(); }
  scheduleImmediately() { this.scheduler.scheduleImmediately(); }
  scheduleSlowly() { this.scheduler.scheduleSlowly(); }
  activate() { this.scheduler.activate(); }
  deactivate() { this.scheduler.deactivate(); }
  request(options) { this.authenticator.request(options); }
  logout() { this.authenticator.logout(); }
  toggleLogin() {
    if (this.authenticator.loggedIn()) this.logout();
    else this.request();
  }
  watch(options) { this.authenticator.watch(options); }
  reset(callback) { this.service.reset(callback); }
  authenticateUrl(url) { return this.authenticator.modifyUrl(url); }
}

Sync.baseUrl = null; /* the server that serves this file fills this in */
Sync.env = env;

/* ---- Server: one collection over HTTP ------------------------------------------------------- */

/* onretryafter({retryAfter: seconds, poll: boolean, status}) is called when the server asks for a
 * pause (poll: only for slower polling), and with {status} alone when it failed (5xx, or 0 for no
 * answer). onautherror() is called for a 401: the login is no longer good. */
Sync.Server = class Server {
  constructor(baseUrl, bucket, authenticator) {
    this._baseUrl = resolveUrl(baseUrl);
    this._bucket = bucket;
    this._authenticator = authenticator;
    this.onretryafter = null;
    this.onautherror = null;
    this.setVariables(null, null);
    authenticator.watch({
      onlogin: email => this.setVariables(authenticator.domain || env.location.hostname, email),
      onlogout: () => this.setVariables(null, null),
    });
  }

  /* Domain and user in the address; null while nobody is logged in. */
  setVariables(domain, email) {
    this.collectionPath = email ? Server.pathOf(this._bucket, domain, email) : null;
  }

  /* Calls back with the answer, or null when there is nothing new (204). `extra` are further
   * query parameters; with extra.wait the server may hold the request that many seconds. */
  get(since, callback, extra, signal) {
    const query = Object.assign({since: since || 0}, extra);
    deliver(this._send('GET', queryText(query), undefined, query.wait, signal), callback);
  }

  /* `objects` is an array, or text that was made from one: a retry must be the same bytes. */
  put(since, objects, callback, extra) {
    const body = typeof objects === 'string' ? objects : JSON.stringify(objects);
    const query = Object.assign({since: since || 0}, extra);
    deliver(this._send('POST', queryText(query), body), callback);
  }

  /* With extra.collection_id a collection that took its place meanwhile is left alone. */
  deleteCollection(reason, callback, extra) {
    const query = queryText(Object.assign({delete: ''}, extra));
    deliver(this._send('POST', query, JSON.stringify(reason)), callback);
  }

  async _send(method, query, body, wait, signal) {
    if (!this.collectionPath) throw failure('not_logged_in', 'nobody is logged in');
    const url = this._baseUrl + '/' + this.collectionPath + '?' + query;
    const request = {headers: {}, setRequestHeader(name, value) { this.headers[name] = value; }};
    this._authenticator.modifyRequest(request);
    // text/plain spares a cross-origin app the preflight that application/json would cost
    if (body !== undefined) request.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8');
    const {status, text, header} = await exchange(this._authenticator.modifyUrl(url),
      {method: method, headers: request.headers, body: body},
      wait ? Number(wait) + WAIT_GRACE_SECONDS : REQUEST_SECONDS, signal
    ).catch(error => {
      if (error.code === 0) this._noticePace(0, () => null);
      throw error;
    });
    this._noticePace(status, header);
    return Server.result(status, text, url);
  }

  static result(status, text, url) {
    if (status === 204) return null;
    const answer = parseJson(text);
    if (status === 200 && answer) return answer;
    const said = answer || {error: status === 200 ? 'invalid_json' : 'http_error'};
    throw failure(said.error, said.message || `the server answered ${status} without saying more`,
      {code: status, errors: said.errors, url: url, text: text});
  }

  _noticePace(status, header) {
    if (status === 401 && this.onautherror) this.onautherror();
    if (!this.onretryafter) return;
    const pause = Server.seconds(header('Retry-After'));
    const poll = Server.seconds(header('X-Sync-Poll-Time'));
    if (pause || poll) {
      this.onretryafter({retryAfter: pause || poll, poll: !pause, status: status});
    } else if (status === 0 || status >= 500 && status !== 507) {
      this.onretryafter({status: status});
    }
  }

  /* Seconds of a Retry-After in either of its forms, or 0 when it makes no sense. */
  static seconds(text) {
    if (!text) return 0;
    const value = /^\s*\d+\s*$/.test(text) ? Number(text)
      : Math.ceil((Date.parse(text) - env.now()) / 1000);
    return value > 0 && value <= LONGEST_RETRY_AFTER ? value : 0;
  }

  /* An own layout may be given as a template with {domain} and {user}. */
  static pathOf(bucket, domain, email) {
    const template = bucket.includes('{user}') ? bucket : '{domain}/{user}/' + bucket;
    return template.split('/').filter(Boolean).map(segment => {
      const text = segment.replace('{domain}', () => domain).replace('{user}', () => email);
      if (text === '.' || text === '..') throw new Error(`bucket: "${text}" is no name`);
      return encodeURIComponent(text);
    }).join('/');
  }
};

/* ---- Service: one sync ---------------------------------------------------------------------- */

/* Its state is one value under one key, so that a reload finds either the old one or the new one:
 *   path          the collection it belongs to; another user's login starts from scratch
 *   collectionId, position        the stream that is followed, and how far it was seen
 *   client, seq   who this is for the server, and the number of the last batch
 *   batch         {seq, since, collectionId, body}: sent, not yet answered
 *   lastSyncTime, lastSyncPut     for people
 */
Sync.Service = class Service {
  constructor(server, appData, storage) {
    if (!appData) throw new Error('new Sync.Service(server, appData): appData is missing');
    this.server = server;
    this.appData = appData;
    this.storage = storage || new Sync.LocalStorage('sync::');
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
    this._enqueue(() => this._sync(Boolean(forcePut)), callback);
  }

  /* Forgets all that is known of the server; the next sync starts from scratch. */
  reset(callback) {
    this._enqueue(() => this._startOver(null), callback);
  }

  /* Deletes the collection on the server; nothing local changes. */
  deleteCollection(reason, callback) {
    this._enqueue(async () => {
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
    deliver(result, callback);
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
      const problem = Service.checkObject(object, seen);
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

  /* What is wrong with an object, or null. `seen` collects identities over one list. */
  static checkObject(object, seen) {
    if (!isJson(object)) return NOT_JSON;
    if (!object || typeof object !== 'object' || Array.isArray(object)) return 'it is no object';
    const broken = RULES.find(([holds]) => !holds(object));
    if (broken) return broken[1];
    if (seen.has(identity(object))) return 'there are two objects of this type and id';
    seen.add(identity(object));
    return null;
  }
};

const onlyHas = (object, names) => Object.keys(object).every(name => names.includes(name));
const RULES = [
  [o => typeof o.id === 'string' && o.id !== '' || Number.isSafeInteger(o.id),
    'id must be a string or an integer'],
  [o => !('type' in o) || typeof o.type === 'string', 'type must be a string'],
  [o => onlyHas(o, MEMBERS), `only ${MEMBERS.join(', ')} can be members; put others into data`],
  [o => !('expires' in o) || Number.isFinite(o.expires), 'expires must be a number'],
  [o => !('deleted' in o) || o.deleted === true, 'deleted can only be true'],
  [o => !o.deleted || !('data' in o || 'blob' in o), 'a deleted object has no data and no blob'],
  [o => !('blob' in o) || o.blob && o.blob.content_type && (o.blob.data || o.blob.href) &&
    onlyHas(o.blob, BLOB_MEMBERS), 'blob needs a content_type, data or href, and nothing else'],
];

/* For telling apart objects that have no text. */
function objectId(object) {
  return object && typeof object.id === 'string' ? object.id : '';
}

function isJson(value) {
  try {
    return JSON.stringify(value) !== undefined;
  } catch (error) {
    return false;
  }
}

/* Whether the server has said no for good. Without an answer, after a failure on its side, or with
 * an expired login the batch may be stored, and must be asked about again. */
function answered(error) {
  return error.code >= 400 && error.code < 500 && ![401, 408, 429].includes(error.code) ||
    error.code === 507;
}

/* Whether an answer is more than "no such collection yet". */
function isNews(answer) {
  if (!answer) return false;
  return Boolean(answer.objects && answer.objects.length || answer.collection_changed ||
    answer.collection_deleted);
}

/* The last version of each object, in order, without this client's own. An own version that came
 * last hides earlier ones of others: it was made in knowledge of them. */
function newest(entries, mine) {
  const own = new Set(mine);
  const seen = new Set();
  const result = [];
  for (let i = entries.length - 1; i >= 0; i--) {
    const [counter, object] = entries[i];
    const key = 'id' in object ? identity(object) : String(counter);
    if (!seen.has(key) && !own.has(counter)) result.push(object);
    seen.add(key);
  }
  return result.reverse();
}

function addBlobAddresses(objects, blobs) {
  for (const blob of blobs) {
    const found = objects.find(object => identity(object) === identity(blob));
    if (found && found.blob) found.blob.href = blob.href;
  }
}

/* ---- Scheduler: when to sync ---------------------------------------------------------------- */

/* States: inactive (logged out, a 401, deactivate()), waiting for its timer, running a sync.
 * With a `wait` and the page in sight it also keeps a held request while it waits.
 * Two things only ever delay: a Retry-After, and the pace of failures. */
Sync.Scheduler = class Scheduler {
  constructor(service, authenticator, options) {
    this.service = service;
    this.onerror = null;
    this.onsuccess = null;
    this._wait = options && options.wait || 0;
    this._active = false;
    this._running = false;
    this._timer = null;
    this._urgent = false;     // a change waits: hiding the tab must not put it off
    this._slow = false;
    this._failures = 0;
    this._notBefore = 0;      // Retry-After: no request earlier than this
    this._pollPeriod = 0;     // X-Sync-Poll-Time of the last answer
    this._cancelWait = noop;
    service.server.onretryafter = value => this.retryAfter(value);
    this._watchPage();
    authenticator.watch({onlogin: () => this.activate(), onlogout: () => this.deactivate()});
  }

  /* Starts the regular syncs, with one right away. */
  activate() {
    this._active = true;
    this.resetSchedule();
    this._slow = this._hidden();
    this._urgent = this._running;
    this._setTimer(0);
  }

  deactivate() {
    this._active = this._urgent = false;
    this._stop();
  }

  resetSchedule() {
    this._slow = false;
    this._failures = 0;
    this._pollPeriod = 0;
  }

  /* Sets the timer for the next regular sync. */
  schedule() { this._setTimer(this._period()); }

  /* Soon, but not at once: changes made together travel together. */
  scheduleImmediately() {
    this._urgent = true;
    this._setTimer(this.settings.immediateUpdateDelay);
  }

  scheduleSlowly() {
    this._slow = true;
    this._cancelWait();
    if (this._active && !this._urgent) this.schedule();
  }

  /* The server asked for a pause or a pace, or failed: see Sync.Server. */
  retryAfter(value) {
    if (!value.retryAfter) {
      this._failures++;
    } else if (value.poll) {
      this._pollPeriod = Math.max(value.retryAfter * 1000, this.settings.minPeriod);
    } else {
      this._notBefore = env.now() + value.retryAfter * 1000;
    }
    if (!this._running) this._setTimer(this._urgent ? 0 : this._period());
  }

  _period() {
    const {maxPeriod, minPeriod, normalPeriod, failureIncrease, liveRetryDelay} = this.settings;
    if (this._pollPeriod) return this._pollPeriod;
    if (this._wait && !this._slow && this._failures) {
      // An app that wants news at once reconnects soon; jitter keeps a crowd from coming together.
      const delay = Math.min(minPeriod, liveRetryDelay * Math.pow(2, this._failures - 1));
      return Math.round(delay * (0.5 + env.random() / 2));
    }
    const usual = this._slow ? maxPeriod : normalPeriod;
    return Math.min(maxPeriod, usual + this._failures * failureIncrease);
  }

  _setTimer(delay) {
    if (!this._active || this._running) return; // the end of a running sync sets it
    env.clearTimeout(this._timer);
    const wait = Math.max(delay, this._notBefore - env.now());
    this._timer = env.setTimeout(() => this._run(), wait);
  }

  _stop() {
    env.clearTimeout(this._timer);
    this._cancelWait();
  }

  _run() {
    this._stop();
    this._running = true;
    this._urgent = false;
    this._pollPeriod = 0;
    this.service.syncNow(error => this._ended(error));
  }

  _ended(error) {
    this._running = false;
    if (error && error.code === 401) this.deactivate(); // until the next login
    if (!error) this._failures = 0;
    this._setTimer(this._urgent ? this.settings.immediateUpdateDelay : this._period());
    if (!error) this._listen();
    if (error && this.onerror) this.onerror(error);
    if (!error && this.onsuccess) this.onsuccess();
  }

  /* Holds a request open for news. The timer stays: it is what is left if this does not work. */
  _listen() {
    const started = env.now();
    if (!this._wait || !this._active || this._slow || this._hidden() || this._pollPeriod ||
        this._notBefore > started || !this.service.canWait()) return;
    const cancel = this.service.waitForNews(this._wait, (error, news) => {
      this._cancelWait = noop;
      if (error && error.code === 401) this._ended(error);
      else if (news) this._setTimer(0);
      // A server that does not hold requests would be asked in a tight loop.
      else if (!error && env.now() - started >= 1000) this._listen();
    });
    this._cancelWait = () => { this._cancelWait = noop; cancel(); };
  }

  _hidden() { return Boolean(env.document && env.document.hidden); }

  _watchPage() {
    const wake = () => {
      this._slow = false;
      this._failures = 0; // a server that failed an hour ago may be well
      this.scheduleImmediately();
    };
    if (env.document) {
      env.document.addEventListener('visibilitychange',
        () => this._hidden() ? this.scheduleSlowly() : wake());
    }
    if (env.events) {
      env.events.addEventListener('online', wake);
      env.events.addEventListener('pageshow', event => { if (event.persisted) wake(); });
    }
  }
};

/* Milliseconds. */
Sync.Scheduler.prototype.settings = {
  maxPeriod: 60 * 60 * 1000,         // hidden tabs, and the most that failures add up to
  minPeriod: 30 * 1000,              // no server can ask for faster polling than this
  failureIncrease: 5 * 60 * 1000,    // each failure in a row adds this
  normalPeriod: 5 * 60 * 1000,
  immediateUpdateDelay: 500,
  liveRetryDelay: 1000,              // with `wait`: first retry, doubled up to minPeriod
};

/* ---- Authenticators: who the user is -------------------------------------------------------- */

/* What the two have in common: POST /verify, the answer kept in storage, watchers. A 401 does not
 * log out here: the app keeps its user and its pending changes, and the next login goes on. */
class Authenticator {
  constructor(verifyUrl, storage) {
    this.verifyUrl = verifyUrl || resolveUrl() + '/verify';
    this.storage = storage || new Sync.LocalStorage('sync-auth::');
    this.domain = env.location ? env.location.hostname : null;
    this.email = this.authData = null;
    this._watchers = [];
  }

  loggedIn() { return Boolean(this.email); }

  /* onlogin(email, authData) and onlogout() are called now, whichever is true, and on each change;
   * onerror(error) when a login was refused. */
  watch(options) {
    this._watchers.push(options);
    if (options.verifyUrl) this.verifyUrl = options.verifyUrl;
    if (this.email && options.onlogin) options.onlogin(this.email, this.authData);
    if (!this.email && options.onlogout) options.onlogout();
  }

  logout() {
    this.email = this.authData = null;
    this.storage.put('authData', null, noop);
    this._tell('onlogout');
  }

  modifyUrl(url) {
    const text = queryText(this._auth().query || {});
    return text ? url + (url.includes('?') ? '&' : '?') + text : url;
  }

  /* Headers only where the server named no query: a header costs a preflight. */
  modifyRequest(request) {
    const auth = this._auth();
    if (auth.query && queryText(auth.query)) return;
    for (const name of Object.keys(auth.headers || {})) {
      request.setRequestHeader(name, auth.headers[name]);
    }
  }

  /* Logs in with an assertion of whatever kind the server takes. */
  verify(assertion, callback) {
    deliver(this._verify(assertion).catch(error => {
      this._tell('onerror', error);
      throw error;
    }), callback);
  }

  _auth() { return this.authData && this.authData.auth || {}; }

  async _verify(assertion) {
    const {status, text} = await exchange(this.verifyUrl, {
      method: 'POST',
      headers: {'Content-Type': 'application/x-www-form-urlencoded'},
      body: queryText({assertion: assertion, audience: env.location.origin}),
    }, REQUEST_SECONDS);
    const result = parseJson(text) || {};
    if (result.status !== 'okay') {
      throw failure(result.error || 'login_failed', result.reason || result.message ||
        `the server answered ${status} without saying more`, {code: status});
    }
    this.storage.put('authData', result, noop); // a full storage is no reason to refuse a login
    this._setUser(result);
    return result.email;
  }

  _setUser(authData) {
    this.authData = authData;
    this.email = authData.email;
    this._tell('onlogin', this.email, authData);
  }

  _loadFromStorage(callback) {
    this.storage.get('authData', (...found) => {
      const authData = found[found.length - 1];
      if (authData && !this.email) this._setUser(Object.assign({}, authData, {fromCache: true}));
      if (callback) callback();
    });
  }

  _tell(event, ...values) {
    for (const watcher of this._watchers) {
      if (watcher[event]) watcher[event](...values);
    }
  }
}

/* Persona/BrowserID: navigator.id must be there, from the browser or a script. */
Sync.PersonaAuthenticator = class PersonaAuthenticator extends Authenticator {
  constructor(verifyUrl, storage, assertion) {
    super(verifyUrl, storage);
    if (assertion) this.verify(assertion);
    else this._loadFromStorage(() => this._watchPersona());
  }

  request(options) {
    const id = env.personaId();
    if (!id) throw new Error('navigator.id is missing: load a BrowserID script, or pass an authenticator');
    id.request(options);
  }

  _watchPersona() {
    const id = env.personaId();
    if (!id) return;
    id.watch({loggedInEmail: this.email, onlogin: assertion => this.verify(assertion),
      onlogout: () => this.logout()});
  }
};

/* The development login of a server that was started with one: anyone who has the token printed at
 * its start can be anybody. request({email}, callback) logs in. */
Sync.DevAuthenticator = class DevAuthenticator extends Authenticator {
  constructor(verifyUrl, storage, token) {
    super(verifyUrl, storage);
    this.token = token;
    this._loadFromStorage();
  }

  request(options, callback) {
    this.verify(`dev:${this.token}:${options.email}`, callback);
  }
};

/* ---- Storage -------------------------------------------------------------------------------- */

/* A store is anything with get(name or names, callback(value or values)), put({name: value},
 * callback(error)) or put(name, value, callback), and clear(callback). null removes. */
Sync.LocalStorage = class LocalStorage {
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
    if (!this._prefix) return callback(failure('no_prefix', 'a store without a prefix is not cleared'));
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
};

if (typeof module === 'object' && module.exports) module.exports = Sync;
else root.Sync = Sync;
})(typeof self !== 'undefined' ? self : globalThis);
