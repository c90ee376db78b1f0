/* A cutoutd in a few lines of memory: what docs/protocol.md says of reading, appending, deleting
 * and logging in, without disk, limits or identity checks. Tests make it lose answers, fail and
 * hold requests. */

class FakeServer {
  constructor(clock) {
    this.clock = clock;
    this.requests = [];      // all that arrived: {method, url, path, query, body, headers}
    this.collections = new Map();
    this.pageSize = 1000;
    this.maxObjects = Infinity;
    this.maxWait = 60;
    this.info = {max_post_bytes: 16 << 20, max_post_objects: 10000, max_object_bytes: 1 << 20};
    this.refuses = () => null; // object → error code
    this.headers = {};         // on every answer
    this.faults = [];          // the next requests meet these, in order
    this.waiters = new Set();
    this.made = 0;
    this.fetch = this.fetch.bind(this);
  }

  /* The next matching request is met by fault(request, answer): answer() does what the server
   * would do; what the fault returns is sent. */
  meetNext(method, fault) { this.faults.push({method, fault}); }

  failNext(method, status, headers, body) {
    this.meetNext(method, () => ({status, headers: headers || {}, body: body || {error: 'made_up'}}));
  }

  refuseConnection(method) {
    this.meetNext(method, () => { throw new TypeError('fetch failed'); });
  }

  /* Does the work, and the answer never arrives. */
  loseAnswer(method) {
    this.meetNext(method, (request, answer) => {
      answer();
      throw new TypeError('connection reset');
    });
  }

  collection(path) {
    if (!this.collections.has(path)) {
      this.collections.set(path, {id: null, counter: 0, entries: [], clients: {}, deleted: null});
    }
    return this.collections.get(path);
  }

  /* The only collection, as most tests have it. */
  get only() { return this.collections.values().next().value; }

  stored() { return this.only.entries.map(entry => entry[1]); }

  sent(method) { return this.requests.filter(request => request.method === method); }

  /* As another client of no concern would do it. */
  append(objects, path) {
    const collection = path ? this.collection(path) : this.only;
    const counters = this.store(collection, objects);
    this.wake();
    return counters;
  }

  store(collection, objects) {
    if (!collection.id) collection.id = 'collection-' + (++this.made);
    return objects.map(object => {
      collection.counter += 1;
      collection.entries.push([collection.counter, object]);
      return collection.counter;
    });
  }

  /* A restored backup: other id, and only what it held. */
  restore(objects, path) {
    const collection = path ? this.collection(path) : this.only;
    collection.id = null;
    collection.entries = [];
    collection.clients = {};
    collection.counter += 65536;
    this.store(collection, objects);
    this.wake();
  }

  async fetch(url, init) {
    const request = parseRequest(url, init);
    this.requests.push(request);
    const index = this.faults.findIndex(entry => entry.method === request.method);
    const answer = () => this.answer(request);
    const reply = index < 0 ? answer() : this.faults.splice(index, 1)[0].fault(request, answer);
    const {status, headers, body} = await aborted(init.signal, reply);
    return response(status, Object.assign({}, this.headers, headers), body);
  }

  answer(request) {
    if (request.path === '/info') return ok(this.info);
    const collection = this.collection(request.path);
    if (request.method === 'GET') return this.read(collection, request.query);
    if ('delete' in request.query) return this.remove(collection, request.body);
    return this.write(collection, request.query, JSON.parse(request.body));
  }

  read(collection, query) {
    const now = this.readNow(collection, query);
    const empty = now.status === 204 || !now.body.objects.length && !now.body.collection_deleted;
    if (!empty || !query.wait || !this.maxWait) return now;
    return new Promise(resolve => {
      const waiter = {collection, since: Number(query.since), end: () => {
        this.waiters.delete(waiter);
        this.clock.clearTimeout(timer);
        resolve(this.readNow(collection, query));
      }};
      const timer = this.clock.setTimeout(waiter.end, Math.min(query.wait, this.maxWait) * 1000);
      this.waiters.add(waiter);
    });
  }

  wake() {
    for (const waiter of [...this.waiters]) {
      if (waiter.collection.counter > waiter.since) waiter.end();
    }
  }

  readNow(collection, query) {
    if (collection.deleted) return ok({objects: [], collection_deleted: collection.deleted});
    const answer = {};
    const named = query.collection_id;
    let since = Number(query.since);
    if (named && (named !== collection.id || since > collection.counter)) {
      answer.collection_changed = true;
      since = 0;
    }
    if (collection.id && (!named || answer.collection_changed)) answer.collection_id = collection.id;
    const newer = collection.entries.filter(entry => entry[0] > since);
    if (!newer.length && named && !answer.collection_changed) return {status: 204};
    answer.objects = newer.slice(0, Math.min(this.pageSize, Number(query.limit || Infinity)));
    if (answer.objects.length < newer.length) {
      Object.assign(answer, {incomplete: true, pending: newer.length - answer.objects.length});
    }
    this.addClient(collection, query, answer);
    return ok(answer);
  }

  addClient(collection, query, answer) {
    if (!query.client) return;
    const known = collection.clients[query.client] || {seq: 0, all: new Set()};
    answer.client_seq = known.seq;
    answer.mine = (answer.objects || []).map(entry => entry[0]).filter(n => known.all.has(n));
  }

  write(collection, query, objects) {
    const known = collection.clients[query.client] || {seq: 0, all: new Set()};
    if (collection.id && query.client && Number(query.seq) === known.seq) {
      return ok({object_counters: known.counters, client_seq: known.seq});
    }
    if (query.collection_id && query.collection_id !== collection.id) return this.readNow(collection, query);
    if (collection.deleted && Number(query.since) === 0) this.revive(collection);
    const errors = objects.map((object, index) => ({index, id: object.id, code: this.refuses(object)}))
      .filter(error => error.code);
    if (errors.length) return {status: 400, body: {error: 'bad_object', message: 'refused', errors}};
    if (objects.length > this.maxObjects) return {status: 413, body: {error: 'too_many', message: 'too many'}};
    if (collection.entries.some(entry => entry[0] > Number(query.since))) {
      const answer = this.readNow(collection, query);
      Object.assign(answer.body, {since_invalid: true, invalid_since: true});
      return answer;
    }
    return this.accept(collection, query, objects, known);
  }

  accept(collection, query, objects, known) {
    const blobs = objects.filter(object => object.blob).map(object => {
      const href = `http://sync.test/blob/${object.id}`;
      object.blob = {content_type: object.blob.content_type, href};
      return {id: object.id, type: object.type, href, content_type: object.blob.content_type};
    });
    const counters = this.store(collection, objects);
    for (const counter of counters) known.all.add(counter);
    Object.assign(known, {seq: Number(query.seq), counters});
    if (query.client) collection.clients[query.client] = known;
    this.wake();
    const answer = {object_counters: counters};
    if (query.client) answer.client_seq = known.seq;
    if (blobs.length) answer.blobs = blobs;
    if (!query.collection_id) answer.collection_id = collection.id;
    return ok(answer);
  }

  revive(collection) {
    Object.assign(collection, {id: null, deleted: null, entries: [], clients: {}});
  }

  remove(collection, body) {
    collection.deleted = JSON.parse(body);
    collection.entries = [];
    return ok({});
  }
}

function parseRequest(url, init) {
  const at = new URL(url);
  return {url, method: init.method || 'GET', path: at.pathname, body: init.body,
    headers: init.headers || {}, query: Object.fromEntries(at.searchParams)};
}

function ok(body) { return {status: 200, body}; }

function aborted(signal, reply) {
  if (!signal) return reply;
  return Promise.race([reply, new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')));
  })]);
}

function response(status, headers, body) {
  const lower = {};
  for (const name of Object.keys(headers)) lower[name.toLowerCase()] = String(headers[name]);
  return {
    status,
    headers: {get: name => name.toLowerCase() in lower ? lower[name.toLowerCase()] : null},
    text: async () => body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body),
  };
}

export {FakeServer};
