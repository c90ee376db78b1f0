/* Who the user is. */
import {env} from './env.js';
import {exchange, resolveUrl, REQUEST_SECONDS} from './exchange.js';
import {LocalStorage} from './storage.js';
import {deliver, failure, noop, parseJson, queryText} from './tools.js';

const RENEW_MS = 60 * 1000;

/* What they have in common: POST /verify, the answer kept in storage, watchers. A 401 does not
 * log out here: the app keeps its user and its pending changes, and the next login goes on. */
export class Authenticator {
  constructor(verifyUrl, storage) {
    this.verifyUrl = verifyUrl || resolveUrl() + '/verify';
    this.storage = storage || new LocalStorage('sync-auth::');
    this.domain = env.location ? env.location.hostname : null;
    this.email = this.authData = null;
    this._renewed = 0;
    this._watchers = [];
  }

  loggedIn() { return Boolean(this.email); }

  /* onlogin(email, authData) and onlogout() are called now, whichever is true, and on each change;
   * onerror(error) when a login was refused. */
  watch(options) {
    this._watchers.push(options);
    if (options.verifyUrl) this.verifyUrl = options.verifyUrl;
    if (this.email) options.onlogin?.(this.email, this.authData);
    else options.onlogout?.();
  }

  /* Here, and at the server, whether it can be reached or not; with everywhere on all devices. */
  logout({everywhere} = {}) {
    if (this.email) {
      const url = this.verifyUrl.replace(/verify$/, 'logout') + (everywhere ? '/everywhere' : '');
      exchange(this.modifyUrl(url), {method: 'POST', keepalive: true}, REQUEST_SECONDS).catch(noop);
    }
    this.storage.put('authData', null, noop);
    this._clearUser();
  }

  /* The server said 401: the login is kept, so that the app can ask the same user again. */
  expired() {}

  /* A token is renewed by itself when it is used in the second half of its life. */
  _renew() {
    const {at, expires_in: life, auth} = this.authData || {};
    if (!life || env.now() - at <= life * 500 || !this._isTime()) return;
    this._verify(auth.query?.auth, 'onrenew').catch(noop);
  }

  /* Once in a while: a server that refuses what it gave would be asked in a tight loop. */
  _isTime() {
    const now = env.now();
    return now - this._renewed < RENEW_MS ? 0 : this._renewed = now;
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
    return deliver(this._verify(assertion).catch(error => {
      this._tell('onerror', error);
      throw error;
    }), callback);
  }

  _auth() { return this.authData?.auth || {}; }

  async _verify(assertion, event) {
    const {status, text} = await exchange(this.verifyUrl, {
      method: 'POST',
      body: new URLSearchParams({assertion, audience: env.location.origin}),
    }, REQUEST_SECONDS);
    const result = parseJson(text) || {};
    if (result.status !== 'okay') {
      throw failure(result.error || 'login_failed', result.reason || result.message ||
        `the server answered ${status}`, {code: status});
    }
    result.at = env.now();
    this.storage.put('authData', result, noop); // a full storage is no reason to refuse a login
    this._setUser(result, event);
    return result.email;
  }

  _clearUser() {
    this.email = this.authData = null;
    this._tell('onlogout');
  }

  _setUser(authData, event = 'onlogin') {
    this.authData = authData;
    this.email = authData.email;
    this._tell(event, this.email, authData);
  }

  _loadFromStorage(callback) {
    this._readStorage(authData => {
      if (authData && !this.email) this._setUser({...authData, fromCache: true});
      callback?.();
    });
  }

  /* Another tab has logged in or out. */
  reload() {
    this._readStorage(authData => {
      if (!authData && this.email) this._clearUser();
      if (authData && JSON.stringify(authData.auth) !== JSON.stringify(this._auth())) {
        this._setUser({...authData, fromCache: true});
      }
    });
  }

  _readStorage(callback) {
    this.storage.get('authData', (...found) => callback(found[found.length - 1]));
  }

  _tell(event, ...values) {
    for (const watcher of this._watchers) watcher[event]?.(...values);
  }
}

/* Persona/BrowserID: navigator.id must be there, from the browser or a script. */
export class PersonaAuthenticator extends Authenticator {
  constructor(verifyUrl, storage, assertion) {
    super(verifyUrl, storage);
    if (assertion) this.verify(assertion);
    else this._loadFromStorage(() => this._watchPersona());
  }

  request(options) {
    const id = env.personaId();
    if (!id) throw new Error('navigator.id is missing: pass an authenticator');
    id.request(options);
  }

  _watchPersona() {
    const id = env.personaId();
    if (!id) return;
    id.watch({loggedInEmail: this.email, onlogin: assertion => this.verify(assertion),
      onlogout: () => this.logout()});
  }
}

/* The development login of a server that was started with one: anyone who has the token printed at
 * its start can be anybody. request({email}, callback) logs in. */
export class DevAuthenticator extends Authenticator {
  constructor(verifyUrl, storage, token) {
    super(verifyUrl, storage);
    this.token = token;
    this._loadFromStorage();
  }

  request(options, callback) {
    return this.verify(`dev:${this.token}:${options.email}`, callback);
  }
}

/* Logs in with what a function gives: an OIDC ID token, say. getAssertion() returns it or a promise of
 * it, or null when the user has to be asked first. It is called by request(), and when the login has
 * expired. */
export class TokenAuthenticator extends Authenticator {
  constructor(verifyUrl, storage, getAssertion) {
    super(verifyUrl, storage);
    this._getAssertion = getAssertion;
    this._loadFromStorage();
  }

  request(options, callback) {
    const asked = Promise.resolve().then(() => this._getAssertion(options)).then(assertion => {
      if (!assertion) throw failure('no_token', 'no token');
      return this.verify(assertion);
    });
    return deliver(asked, callback);
  }

  expired() {
    if (this._isTime()) this.request().catch(noop);
  }
}
