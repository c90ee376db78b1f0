/* When to sync. */
import {env} from './env.js';
import {noop} from './tools.js';

/* States: inactive (logged out, a 401, deactivate()), waiting for its timer, running a sync.
 * With a `wait` and the page in sight it also keeps a held request while it waits.
 * Two things only ever delay: a Retry-After, and the pace of failures. */
export class Scheduler {
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
}

/* Milliseconds. */
Scheduler.prototype.settings = {
  maxPeriod: 60 * 60 * 1000,         // hidden tabs, and the most that failures add up to
  minPeriod: 30 * 1000,              // no server can ask for faster polling than this
  failureIncrease: 5 * 60 * 1000,    // each failure in a row adds this
  normalPeriod: 5 * 60 * 1000,
  immediateUpdateDelay: 500,
  liveRetryDelay: 1000,              // with `wait`: first retry, doubled up to minPeriod
};
