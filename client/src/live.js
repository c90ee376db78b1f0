/* Hears of news as they are written: holds a request open, again and again. Whoever uses it polls
 * besides; a network that cuts held requests makes it rest. */
import {env} from './env.js';
import {noop} from './tools.js';

const SHORTEST_MS = 1000;       // a server that answers sooner does not hold requests
const MOST_FAILURES = 3;        // in a row; then it rests
const REST_MS = 10 * 60 * 1000;

export class Live {
  /* heard(error, news) is called when a request ended with an error or with news. */
  constructor(service, seconds, heard) {
    this._service = service;
    this._seconds = seconds;
    this._heard = heard;
    this._failures = 0;
    this._restsUntil = 0;
    this._cancel = noop;
  }

  _start() {
    const started = env.now();
    this._stop();
    if (!this._seconds || started < this._restsUntil || !this._service._canWait()) return;
    const cancel = this._service.waitForNews(this._seconds, (error, news) => {
      this._cancel = noop;
      this._count(error);
      if (error || news) this._heard(error, news);
      // A server that does not hold requests would be asked in a tight loop.
      else if (env.now() - started >= SHORTEST_MS) this._start();
    });
    this._cancel = () => { this._cancel = noop; cancel(); };
  }

  _stop() { this._cancel(); }

  /* The network may be another one now. */
  _forgive() { this._failures = this._restsUntil = 0; }

  _count(error) {
    this._failures = error ? this._failures + 1 : 0;
    if (this._failures < MOST_FAILURES) return;
    this._failures = 0;
    this._restsUntil = env.now() + REST_MS;
  }
}
