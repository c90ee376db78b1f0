/* One collection over HTTP. */
import {env} from './env.js';
import {exchange, resolveUrl, REQUEST_SECONDS} from './exchange.js';
import {deliver, failure, parseJson, queryText} from './tools.js';

const WAIT_GRACE_SECONDS = 10;      // a held request gets this much more than it asked for
const LONGEST_RETRY_AFTER = 2 * 24 * 3600; // a server that says more than two days is not believed
const KEEPALIVE_LENGTH = 60000; // browsers let 64 KB outlive a page

/* onretryafter({retryAfter: seconds, poll: boolean, status}) is called when the server asks for a
 * pause (poll: only for slower polling), and with {status} alone when it failed (5xx, or 0 for no
 * answer). onautherror() is called for a 401: the login is no longer good. */
export class Server {
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
    const query = {since: since || 0, ...extra};
    return deliver(this._send('GET', queryText(query), undefined, query.wait, signal), callback);
  }

  /* `objects` is an array, or text that was made from one: a retry must be the same bytes. how:
   * {signal, keepalive}; with keepalive the request outlives the page. */
  put(since, objects, callback, extra, how) {
    const body = typeof objects === 'string' ? objects : JSON.stringify(objects);
    const query = {since: since || 0, ...extra};
    const {signal, keepalive} = how || {};
    return deliver(this._send('POST', queryText(query), body, 0, signal, keepalive), callback);
  }

  /* With extra.collection_id a collection that took its place meanwhile is left alone. */
  deleteCollection(reason, callback, extra) {
    const query = queryText({delete: '', ...extra});
    return deliver(this._send('POST', query, JSON.stringify(reason)), callback);
  }

  /* The server's limits, see docs/protocol.md. */
  async info() {
    const url = this._baseUrl + '/info';
    const {status, text} = await exchange(url, {method: 'GET'}, REQUEST_SECONDS);
    return Server.result(status, text, url);
  }

  async _send(method, query, body, wait, signal, keepalive) {
    if (!this.collectionPath) throw failure('not_logged_in', 'nobody is logged in');
    const plainUrl = this._baseUrl + '/' + this.collectionPath + '?' + query;
    this._authenticator._renew?.();
    const url = this._authenticator.modifyUrl(plainUrl);
    const request = {headers: {}, setRequestHeader(name, value) { this.headers[name] = value; }};
    this._authenticator.modifyRequest(request);
    // text/plain spares a cross-origin app the preflight that application/json would cost
    if (body !== undefined) request.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8');
    const init = {method, headers: request.headers, body};
    if (keepalive && body.length < KEEPALIVE_LENGTH) init.keepalive = true;
    const {status, text, header} = await exchange(url, init,
      wait ? Number(wait) + WAIT_GRACE_SECONDS : REQUEST_SECONDS, signal
    ).catch(error => {
      if (error.code === 0) this._noticePace(0, () => null);
      throw error;
    });
    this._noticePace(status, header);
    return Server.result(status, text, plainUrl);
  }

  static result(status, text, url) {
    if (status === 204) return null;
    const answer = parseJson(text);
    if (status === 200 && answer) return answer;
    const said = answer || {error: status === 200 ? 'invalid_json' : 'http_error'};
    throw failure(said.error, said.message || `the server answered ${status}`,
      {code: status, errors: said.errors, url, text});
  }

  _noticePace(status, header) {
    if (status === 401) this.onautherror?.();
    if (!this.onretryafter) return;
    const pause = Server.seconds(header('Retry-After'));
    const poll = Server.seconds(header('X-Sync-Poll-Time'));
    if (pause || poll) {
      this.onretryafter({retryAfter: pause || poll, poll: !pause, status});
    } else if (status === 0 || status >= 500 && status !== 507) {
      this.onretryafter({status});
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
}
