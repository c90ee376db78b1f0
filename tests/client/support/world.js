/* One server, one clock, one page, and as many devices as a test needs. */

import {Sync} from '../../../client/src/index.js';
import {FakeServer} from './fake_server.js';
import {MemoryDatabase, MemoryDisk} from './memory_database.js';
import {FakeClock, settle} from './fake_clock.js';

const SERVER = 'http://sync.test';
const EMAIL = 'ann@example.com';

class FakeLocalStorage {
  constructor() { this.items = new Map(); this.room = Infinity; }
  get length() { return this.items.size; }
  key(i) { return [...this.items.keys()][i]; }
  getItem(name) { return this.items.has(name) ? this.items.get(name) : null; }
  setItem(name, text) {
    if (text.length > this.room) throw new Error('QuotaExceededError');
    this.items.set(name, text);
  }
  removeItem(name) { this.items.delete(name); }
}

/* A page that can be hidden and shown, and go online. */
class FakePage extends EventTarget {
  constructor() { super(); this.hidden = false; }
  hide() { this.hidden = true; this.dispatchEvent(new Event('visibilitychange')); }
  show() { this.hidden = false; this.dispatchEvent(new Event('visibilitychange')); }
}

/* Logged in from the start, or when told to. */
class FakeAuthenticator {
  constructor(email) {
    this.domain = 'app.test';
    this.email = email === undefined ? EMAIL : email;
    this.watchers = [];
  }
  loggedIn() { return Boolean(this.email); }
  watch(watcher) {
    this.watchers.push(watcher);
    if (this.email) watcher.onlogin && watcher.onlogin(this.email);
    else watcher.onlogout && watcher.onlogout();
  }
  login(email) {
    this.email = email;
    this.watchers.forEach(watcher => watcher.onlogin && watcher.onlogin(email));
  }
  logout() {
    this.email = null;
    this.watchers.forEach(watcher => watcher.onlogout && watcher.onlogout());
  }
  modifyUrl(url) { return url; }
  modifyRequest() {}
}

/* An app as the documentation describes it: objects by id, a set of ids that wait, a journal of
 * what the client told it. */
class FakeApp {
  constructor() {
    this.objects = new Map();
    this.dirty = new Set();
    this.saved = [];
    this.received = [];
    this.errors = [];
    this.statuses = [];
    this.resets = 0;
    this.onupdate = null;
  }
  edit(id, data) {
    this.objects.set(id, {id, type: 'note', data});
    this.dirty.add(id);
    if (this.onupdate) this.onupdate();
  }
  remove(id) {
    this.objects.set(id, {id, type: 'note', deleted: true});
    this.dirty.add(id);
  }
  data(id) { return (this.objects.get(id) || {}).data; }
  getPendingObjects(callback) {
    callback(null, [...this.dirty].map(id => this.objects.get(id)));
  }
  objectsSaved(objects) {
    this.saved.push(objects);
    for (const object of objects) {
      if (JSON.stringify(this.objects.get(object.id)) === JSON.stringify(object)) this.dirty.delete(object.id);
    }
  }
  objectsReceived(objects) {
    this.received.push(objects);
    for (const object of objects) {
      if (!this.dirty.has(object.id)) this.objects.set(object.id, object);
    }
  }
  resetSaved() {
    this.resets++;
    for (const id of this.objects.keys()) this.dirty.add(id);
  }
  reportObjectErrors(errors) { this.errors.push(...errors); }
  status(message) { this.statuses.push(message); }
}

class World {
  constructor() {
    this.clock = new FakeClock();
    this.server = new FakeServer(this.clock);
    this.page = new FakePage();
    this.window = new EventTarget();
    this.localStorage = new FakeLocalStorage();
    this.made = 0;
    Object.assign(Sync.env, {
      fetch: this.server.fetch, setTimeout: this.clock.setTimeout, now: this.clock.now,
      clearTimeout: this.clock.clearTimeout, setInterval: this.clock.setInterval,
      clearInterval: this.clock.clearInterval, random: () => 1,
      randomBytes: bytes => { bytes[15] = ++this.made; return bytes; },
      localStorage: () => this.localStorage, locks: null, document: this.page, events: this.window, Channel: null, storageManager: null, online: () => true,
      location: {hostname: 'app.test', origin: 'http://app.test'}, personaId: () => null,
    });
    Sync.baseUrl = SERVER;
  }

  /* One browser: its app, storage and service. A `reload()` is the same browser, opened again. */
  device(name, options) {
    const given = Object.assign({app: new FakeApp(), authenticator: new FakeAuthenticator()}, options);
    const storage = new Sync.LocalStorage(name + '::');
    const server = new Sync.Server(SERVER, 'notes', given.authenticator);
    const service = new Sync.Service(server, given.app, storage);
    return {
      app: given.app, authenticator: given.authenticator, storage, server, service,
      sync: force => outcome(done => service.syncNow(done, force)),
      state: () => JSON.parse(this.localStorage.getItem(name + '::syncState')),
      reload: () => this.device(name, given),
    };
  }

  /* One browser with a store: `disk` is its own, and outlives a crash. */
  storeDevice(name, options) {
    const given = Object.assign({disk: new MemoryDisk(), authenticator: new FakeAuthenticator()}, options);
    const database = new MemoryDatabase(given.disk);
    const store = new Sync.IndexedDBStore(name, Object.assign({database}, given.store));
    const server = new Sync.Server(SERVER, 'notes', given.authenticator);
    const service = new Sync.Service(server, store.outbox('server'));
    service.cipher = given.cipher || null;
    return {
      name, store, server, service, database, disk: given.disk, authenticator: given.authenticator,
      sync: force => outcome(done => service.syncNow(done, force)),
      put: (id, data) => store.put({type: 'note', id, data}),
      remove: id => store.delete({type: 'note', id}),
      data: async id => ((await store.get({type: 'note', id})) || {}).data,
      all: async () => (await store.list()).map(object => [object.id, object.data]).sort(),
      state: () => JSON.parse(given.disk.tables.state.get('["","server"]')).state,
      reload: changes => this.storeDevice(name, Object.assign(given, changes)),
    };
  }

  /* The whole client with its scheduler; time has to pass for it to do anything. */
  open(options) {
    const app = new FakeApp();
    const authenticator = new FakeAuthenticator((options || {}).email);
    const sync = new Sync(app, {serverUrl: SERVER, appName: 'notes', authenticator,
      wait: (options || {}).wait});
    return {app, authenticator, sync, scheduler: sync.scheduler};
  }
}

/* The locks and channels that the tabs of one browser share. A frozen tab holds its locks and hears
 * nothing. */
class FakeBrowser {
  constructor() {
    this.queues = new Map();
    this.channels = new Set();
    const browser = this;
    this.locks = {request: (name, options, work) => this.request(name, options, work || options)};
    this.Channel = class {
      constructor(name) { this.name = name; browser.channels.add(this); }
      postMessage(data) {
        for (const other of browser.channels) {
          if (other === this || other.name !== this.name || other.frozen) continue;
          Promise.resolve(JSON.parse(JSON.stringify(data))).then(copy => {
            if (browser.channels.has(other) && other.onmessage) other.onmessage({data: copy});
          });
        }
      }
      close() { browser.channels.delete(this); }
    };
  }

  request(name, {steal, signal}, work) {
    if (!this.queues.has(name)) this.queues.set(name, []);
    const queue = this.queues.get(name);
    return new Promise((resolve, reject) => {
      const entry = {work, resolve, reject, running: false};
      if (steal && queue.length && queue[0].running) queue.shift().reject(new Error('AbortError'));
      if (steal) queue.unshift(entry);
      else queue.push(entry);
      if (signal) signal.addEventListener('abort', () => {
        const at = queue.indexOf(entry);
        if (at < 0 || entry.running) return;
        queue.splice(at, 1);
        reject(new Error('AbortError'));
      });
      this.next(queue);
    });
  }

  next(queue) {
    const entry = queue[0];
    if (!entry || entry.running) return;
    entry.running = true;
    Promise.resolve().then(entry.work).then(entry.resolve, entry.reject).then(() => {
      if (queue[0] === entry) queue.shift();
      this.next(queue);
    });
  }
}

/* What a callback was given: {error, result}. */
function outcome(call) {
  return new Promise(resolve => call((error, result) => resolve({error, result})));
}

const PATH = '/app.test/ann%40example.com/notes';

export {Sync, World, FakeBrowser, FakePage, MemoryDatabase, MemoryDisk, FakeApp, FakeAuthenticator, outcome, settle, SERVER, EMAIL, PATH};
