/* Sync keeps the data of an offline-first app in step with a cutoutd server.
 *
 *   const sync = new Sync(appDataOrStore, {appName: 'notes'});
 *
 * It ties four parts together; each can be used alone:
 *   Sync.Server     one collection over HTTP: get, put, deleteCollection; remembers no position
 *   Sync.Service    one sync: what was seen, what is on its way, merge and put again
 *   Sync.Scheduler  when to sync: pace, back-off, tab visibility, long-poll
 *   an authenticator (login.js): who the user is
 *
 * Promises that the tests hold the client to:
 *   1. The position moves only after the app has taken what came before it. objectsReceived and
 *      objectsSaved may return a promise; the client waits for it.
 *   2. A batch whose answer got lost goes again first, with the same bytes and number, so that the
 *      server can say "I have that one". An app never gets its own objects as someone else's.
 *   3. Nothing the server says makes the client drop what the app still reports as pending.
 *   4. Callbacks are called once, as (error, result); where none is given, a promise is returned.
 *
 * docs/protocol.md describes the HTTP side. */
import {env} from './env.js';
import {resolveUrl, server as site} from './exchange.js';
import {Authenticator, DevAuthenticator, PersonaAuthenticator, TokenAuthenticator} from './login.js';
import {makeMulti} from './multi.js';
import {Scheduler} from './scheduler.js';
import {Server} from './server.js';
import {Service} from './service.js';
import {askToPersist, LocalStorage} from './storage.js';
import {IndexedDBStore} from './store.js';
import {Tabs} from './tabs.js';
import {noop} from './tools.js';

const OPTIONS = ['serverUrl', 'bucket', 'appName', 'verifyUrl', 'storage', 'assertion', 'authenticator',
  'wait', 'encryption', 'persist', 'signal', 'owns'];
const STORE_WAIT = 25; // seconds; an app with a store is told of news at once unless it says otherwise

/* Events: `status` (detail: what status() returns), `login` (detail: the e-mail), `logout`, `autherror`
 * (the login is no longer good; nothing is lost), `error` (detail: the error a sync ended with). */
export class Sync extends EventTarget {
  constructor(appData, options) {
    super();
    if (!appData) throw new Error('appData is missing');
    options = options || {};
    const unknown = Object.keys(options).find(name => !OPTIONS.includes(name));
    if (unknown) throw new Error(`Sync has no option "${unknown}"`);
    const url = resolveUrl(options.serverUrl);
    const bucket = options.bucket || options.appName || 'bucket';
    const store = appData.isStore ? appData : null;
    this.store = store;
    this.target = store ? `${url} ${bucket}` : null;
    this.owns = options.owns !== false; // its user is the store's owner
    this.storage = options.storage || new LocalStorage('sync::');
    this.authenticator = options.authenticator || new PersonaAuthenticator(
      options.verifyUrl || url + '/verify', this.storage, options.assertion);
    this._state = {loggedIn: false, leader: true, syncing: false, pending: 0, lastError: null, progress: null};
    if (store) this.authenticator.watch({onlogin: email => this._own(email)});
    this.server = new Server(url, bucket, this.authenticator);
    this.service = new Service(this.server, store ? store.outbox(this.target) : appData, this.storage);
    this.service.cipher = options.encryption || null;
    const wait = options.wait === undefined && store ? STORE_WAIT : options.wait;
    this.scheduler = new Scheduler(this.service, this.authenticator, {wait, follows: Boolean(store)});
    if (!store && appData.onupdate !== undefined) appData.onupdate = () => this.scheduleImmediately();
    this._listen();
    if (store) this._useStore(options);
    options.signal?.addEventListener('abort', () => this.close());
  }

  static get baseUrl() { return site.baseUrl; }
  static set baseUrl(url) { site.baseUrl = url; }

  lastSyncTime() { return this.service.lastSyncTime(); }
  resetSchedule() { this.scheduler.resetSchedule(); }
  scheduleImmediately() { this.scheduler.scheduleImmediately(); }
  scheduleSlowly() { this.scheduler.scheduleSlowly(); }
  activate() { this.scheduler.activate(); }
  deactivate() { this.scheduler.deactivate(); }
  request(options, callback) { return this.authenticator.request(options, callback); }
  logout(options) { this.authenticator.logout(options); }
  toggleLogin() {
    if (this.authenticator.loggedIn()) this.logout();
    else this.request();
  }
  watch(options) { this.authenticator.watch(options); }
  reset(callback) { return this.service.reset(callback); }
  authenticateUrl(url) { return this.authenticator.modifyUrl(url); }

  /* Syncs now, whatever the schedule says: a promise, or (callback, forcePut) as Sync.Service. */
  syncNow(callback, forcePut) { return this.service.syncNow(callback, forcePut); }

  /* {online, loggedIn, leader, syncing, pending, progress: {received, pending} or null, lastSync, lastError}:
   * pending counts what waits to be sent, lastSync is milliseconds or 0. */
  status() {
    return {...this._state, online: env.online(), lastSync: this._state.lastSync ||
      this.lastSyncTime()};
  }

  /* Ends all it does; a promise of that. What waits stays in the store. */
  close() {
    this.scheduler.close();
    this._tabs?._close();
    this._unobserve();
    return this.service._last;
  }

  /* ---- What is told to whom ---- */

  _tell(name, detail) { this.dispatchEvent(Object.assign(new Event(name), {detail})); }

  _change(changes) {
    Object.assign(this._state, changes);
    this._tell('status', this.status());
    if (this._tabs?._leads) this._tabs._send({status: this._state});
  }

  _listen() {
    this._unobserve = noop;
    this.service._onstatus = message => this._noteStatus(message);
    this.server.onautherror = () => {
      this._tell('autherror');
      this.authenticator.expired?.();
    };
    this.authenticator.watch({
      onlogin: (email, data) => {
        this._change({loggedIn: true, lastError: null});
        this._tell('login', email);
        if (!data?.fromCache) this._tabs?._send({login: true});
      },
      onrenew: () => this._tabs?._send({login: true}),
      onlogout: () => {
        this._change({loggedIn: false});
        this._tell('logout');
        this._tabs?._send({login: true});
      },
    });
  }

  _noteStatus({status, error, detail, received, pending}) {
    if (status === 'offline') this._change();
    if (status === 'sync_start') this._change({syncing: true});
    if (status === 'sync_progress') this._change({progress: {received, pending}});
    if (status === 'sync_get') this._change({progress: null});
    if (status === 'sync_put_complete') this._count();
    if (status === 'sync_done') this._end(null);
    if (error) {
      this._end({error: detail.error || 'error', message: detail.message, code: detail.code});
      this._tell('error', detail);
    }
  }

  _end(lastError) {
    this._change({syncing: false, progress: null, lastError, lastSync: this.lastSyncTime()});
    this._count();
  }

  async _count() {
    const pending = this.store ? await this.store.countPending([this.target]).catch(noop) : this.service.pending;
    if (pending !== undefined && pending !== this._state.pending) this._change({pending});
  }

  /* ---- With a store ---- */

  _own(email) {
    if (this.owns) this.store.setOwner(email).catch(noop);
  }

  _useStore({persist}) {
    this._unobserve = this.store.observe(changes => {
      this._count();
      if (changes.some(change => change.remote !== this.target)) this.scheduleImmediately();
    });
    this._tabs = new Tabs(`${this.store.name} ${this.target}`, leads => {
      this.scheduler._lead(leads);
      this._change({leader: leads});
    }, message => this._hear(message));
    if (!this._tabs._leads) this._change({leader: false});
    this._tabs._send({});
    if (persist !== false) this.authenticator.watch({onlogin: askToPersist});
    this._count();
  }

  /* From another tab; one that was just opened asks how things are. What the leader before this one said
   * may arrive after its lock did. */
  _hear({login, status}) {
    if (login) this.authenticator.reload?.();
    if (this._tabs._leads) {
      if (!status) this._change();
    } else if (status) {
      this._change({...status, leader: false, loggedIn: this._state.loggedIn});
    }
  }
}

Object.assign(Sync, {env, Authenticator, DevAuthenticator, IndexedDBStore, LocalStorage,
  Multi: makeMulti(Sync), PersonaAuthenticator, Scheduler, Server, Service, TokenAuthenticator});
