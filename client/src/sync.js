/* Sync keeps the data of an offline-first app in step with a cutoutd server.
 *
 *   const sync = new Sync(appData, {appName: 'notes'});
 *
 * It ties four parts together; each can be used alone:
 *   Sync.Server     one collection over HTTP: get, put, deleteCollection; remembers no position
 *   Sync.Service    one sync: what was seen, what is on its way, merge and put again
 *   Sync.Scheduler  when to sync: pace, back-off, tab visibility, long-poll
 *   an authenticator (Sync.PersonaAuthenticator, Sync.DevAuthenticator): who the user is
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
import {DevAuthenticator, PersonaAuthenticator} from './login.js';
import {Scheduler} from './scheduler.js';
import {Server} from './server.js';
import {Service} from './service.js';
import {LocalStorage} from './storage.js';

const OPTIONS = ['serverUrl', 'bucket', 'appName', 'verifyUrl', 'storage', 'assertion',
  'authenticator', 'wait'];

export class Sync {
  constructor(appData, options) {
    if (!appData) throw new Error('new Sync(appData): appData is missing');
    options = options || {};
    const unknown = Object.keys(options).find(name => !OPTIONS.includes(name));
    if (unknown) throw new Error(`Sync has no option "${unknown}"`);
    const url = resolveUrl(options.serverUrl);
    this.storage = options.storage || new LocalStorage('sync::');
    this.authenticator = options.authenticator || new PersonaAuthenticator(
      options.verifyUrl || url + '/verify', this.storage, options.assertion);
    this.server = new Server(url, options.bucket || options.appName || 'bucket',
      this.authenticator);
    this.service = new Service(this.server, appData, this.storage);
    this.scheduler = new Scheduler(this.service, this.authenticator, {wait: options.wait});
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

Object.defineProperty(Sync, 'baseUrl', {
  get: () => site.baseUrl,
  set: url => { site.baseUrl = url; },
});
Object.assign(Sync, {env, Server, Service, Scheduler, PersonaAuthenticator, DevAuthenticator,
  LocalStorage});
