/* When to sync. */
import {backoff} from './backoff.js';
import {env} from './env.js';
import {Live} from './live.js';
import {failure, noop} from './tools.js';

const WATCH_MS = 30 * 1000;      // how often the watchdog looks
const LATE_MS = 10 * 1000;       // a timer may be so late; after that it is taken for lost
const STUCK_MS = 10 * 60 * 1000; // a sync that takes longer waits for something that never comes

/* States: inactive (logged out, a 401, deactivate(), another tab leads), waiting for its timer, running
 * a sync. With a `wait` and the page in sight it also keeps a held request while it waits.
 * Two things only ever delay: a Retry-After, and the pace of failures. */
export class Scheduler {
  constructor(service, authenticator, options) {
    this.service = service;
    this.onerror = null;
    this.onsuccess = null;
    this._isLive = Boolean(options?.wait);
    this._live = new Live(service, options?.wait, (...what) => this._heard(...what));
    this._active = false;
    this._leads = !options?.follows;
    this._running = false;
    this._timer = this._watchdog = null;
    this._urgent = false;     // a change waits: hiding the tab must not put it off
    this._changed = false;    // here, since the last sync began that went well
    this._carried = false;    // what _changed was when the running sync began
    this._slow = false;
    this._failures = 0;
    this._notBefore = 0;      // Retry-After: no request earlier than this
    this._pollPeriod = 0;     // X-Sync-Poll-Time of the last answer
    this._due = Infinity;     // when the timer should go off
    this._started = 0;        // of the sync that runs
    this._watched = 0;        // when the watchdog last looked
    service.server.onretryafter = value => this.retryAfter(value);
    this._unwatch = this._watchPage();
    authenticator.watch({onlogin: () => this.activate(), onlogout: () => this.deactivate()});
  }

  /* Starts the regular syncs, with one right away. */
  activate() {
    this._active = true;
    this.resetSchedule();
    this._slow = this._hidden();
    this._urgent = this._running;
    this._startWatchdog();
    this._setTimer(0);
  }

  deactivate() {
    this._active = this._urgent = false;
    env.clearInterval(this._watchdog);
    this._stop();
  }

  /* Whether this tab is the one that syncs. */
  _lead(yes) {
    this._leads = yes;
    if (yes) this._setTimer(0);
    else this._stop();
  }

  /* Ends it for good. */
  close() {
    this.deactivate();
    this._unwatch();
    this.activate = noop;
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
    this._changed = true;
    this._soon();
  }

  scheduleSlowly() {
    this._slow = true;
    this._live._stop();
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

  _soon() {
    this._urgent = true;
    this._setTimer(this.settings.immediateUpdateDelay);
  }

  _period() {
    const {maxPeriod, minPeriod, normalPeriod, failureIncrease, liveRetryDelay} = this.settings;
    if (this._pollPeriod) return this._pollPeriod;
    // Who wants news at once, or has changes waiting, reconnects soon.
    const eager = this._changed || this.service.pending > 0 || this._isLive && !this._slow;
    if (this._failures && eager) return backoff(this._failures, liveRetryDelay, minPeriod);
    const usual = this._slow ? maxPeriod : normalPeriod;
    return Math.min(maxPeriod, usual + Math.round(env.random() * this._failures * failureIncrease));
  }

  _setTimer(delay) {
    if (!this._active || !this._leads || this._running) return; // the end of a running sync sets it
    env.clearTimeout(this._timer);
    const wait = Math.max(delay, this._notBefore - env.now());
    this._due = env.now() + wait;
    this._timer = env.setTimeout(() => this._run(), wait);
  }

  _stop() {
    env.clearTimeout(this._timer);
    this._due = Infinity;
    this._live._stop();
  }

  _run() {
    this._stop();
    this._running = true;
    this._started = env.now();
    this._carried = this._changed;
    this._urgent = this._changed = false;
    this._pollPeriod = 0;
    this.service.syncNow(error => this._ended(error));
  }

  _ended(error) {
    this._running = false;
    if (error?.code === 401) this.deactivate(); // until the next login
    if (error) this._changed = this._changed || this._carried;
    else this._failures = 0;
    this._setTimer(this._urgent ? this.settings.immediateUpdateDelay : this._period());
    if (!error) this._listen();
    if (error) this.onerror?.(error);
    else this.onsuccess?.();
  }

  /* The timer stays: it is what is left if this does not work. */
  _listen() {
    if (this._active && this._leads && !this._slow && !this._hidden() && !this._pollPeriod &&
        this._notBefore <= env.now()) this._live._start();
  }

  _heard(error, news) {
    if (error?.code === 401) this._ended(error);
    else if (news) this._setTimer(0);
  }

  /* ---- The page and the clock ---- */

  _hidden() { return Boolean(env.document?.hidden); }

  _wake() {
    this._slow = false;
    this._failures = 0; // a server that failed an hour ago may be well
    this._live._forgive();
    this._soon();
  }

  /* The page may not come back: what waits goes with a request that outlives it. */
  _hide() {
    if (this._active && (this._urgent || this._changed)) this.service.flush(noop);
    this.scheduleSlowly();
  }

  _watchPage() {
    const aborter = new AbortController();
    const on = (target, name, listener) => target &&
      target.addEventListener(name, listener, {signal: aborter.signal});
    on(env.document, 'visibilitychange', () => this._hidden() ? this._hide() : this._wake());
    on(env.events, 'online', () => this._wake());
    on(env.events, 'offline', () => this.service.sendStatus({status: 'offline'}));
    on(env.events, 'pageshow', event => { if (event.persisted) this._wake(); });
    on(env.events, 'pagehide', () => { if (!this._hidden()) this._hide(); });
    return () => aborter.abort();
  }

  _startWatchdog() {
    env.clearInterval(this._watchdog);
    this._watched = env.now();
    this._watchdog = env.setInterval(() => this._watch(), WATCH_MS);
  }

  /* Timers of a machine that slept, of a frozen tab, or across a change of the clock cannot be relied on. */
  _watch() {
    const now = env.now();
    const passed = now - this._watched;
    this._watched = now;
    if (passed < 0) this._notBefore += passed - WATCH_MS; // the clock was set back: wait no longer for that
    if (this._running) {
      if (now - this._started < STUCK_MS) return;
      this._started = now;
      this.onerror?.(failure('stuck', 'a sync does not end: did the app call back?'));
    } else if (passed < 0 || passed > 2 * WATCH_MS) {
      if (!this._hidden()) this._wake();
      else this.schedule();
    } else if (now > this._due + LATE_MS) {
      this._run();
    }
  }
}

/* Milliseconds. */
Scheduler.prototype.settings = {
  maxPeriod: 60 * 60 * 1000,         // hidden tabs, and the most that failures add up to
  minPeriod: 30 * 1000,              // no server can ask for faster polling than this
  failureIncrease: 5 * 60 * 1000,    // each failure in a row adds up to this
  normalPeriod: 5 * 60 * 1000,
  immediateUpdateDelay: 500,
  liveRetryDelay: 1000,              // with `wait` or changes: first retry, doubled up to minPeriod
};
