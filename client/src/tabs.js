/* One tab of several talks to the server: the leader. A lock of the browser (Web Locks) makes it one.
 *
 * A hidden tab can be frozen, and keeps its lock then. So a leader that gets hidden lets go, and takes the
 * lead again only when no visible tab wants it; a leader beats; and a visible tab that has heard nothing
 * for a while takes the lock away. Two leaders at once would do no harm but cost requests. */
import {env} from './env.js';
import {failure, noop} from './tools.js';

const BEAT_MS = 5000;
const SILENCE_MS = 15000;
const TURN_MS = 60000; // how long one tab waits for another to finish its sync

export class Tabs {
  /* onlead(yes) is called at each change; onmessage(message) with what another tab sent. Where a
   * browser has no locks, every tab leads. */
  constructor(name, onlead, onmessage) {
    this._name = `cutout-leader ${name}`;
    this._onlead = onlead;
    this._onmessage = onmessage;
    this._leads = false;
    this._letGo = noop;      // ends the lead, or the wait for it
    this._channel = null;
    this._closed = false;
    if (env.locks && env.Channel) this._open();
    else this._set(true);
  }

  _send(message) {
    this._channel?.postMessage({message});
  }

  _close() {
    this._closed = true;
    this._letGo();
    if (!this._channel) return;
    env.clearInterval(this._timer);
    env.document.removeEventListener('visibilitychange', this._turned);
    this._channel.close();
    this._channel = null;
  }

  _open() {
    this._channel = new env.Channel(this._name);
    this._channel.onmessage = ({data}) => {
      if (data.beat) this._heard = env.now();
      else if (data.want) this._giveWay();
      else this._onmessage(data.message);
    };
    this._turned = () => {
      this._heard = env.now();
      if (env.document.hidden && this._leads) this._letGo();
      else this._tick();
    };
    env.document.addEventListener('visibilitychange', this._turned);
    this._heard = env.now();
    this._timer = env.setInterval(() => this._tick(), BEAT_MS);
    this._compete();
    this._tick();
  }

  _tick() {
    if (this._leads) return this._channel.postMessage({beat: true});
    if (env.document.hidden) return undefined;
    if (env.now() - this._heard >= SILENCE_MS) return this._steal();
    return this._channel.postMessage({want: true});
  }

  _giveWay() {
    if (this._leads && env.document.hidden) this._letGo();
  }

  _steal() {
    this._heard = env.now();
    this._letGo(true);
    this._compete({steal: true});
  }

  /* Waits for the lock, leads until it lets go or is robbed, and waits again. */
  _compete(how) {
    const aborter = new AbortController();
    let replaced = false;
    let release = noop;
    this._letGo = forGood => { replaced = Boolean(forGood); aborter.abort(); release(); };
    env.locks.request(this._name, how || {signal: aborter.signal}, () => {
      if (this._closed || aborter.signal.aborted) return undefined;
      this._set(true);
      return new Promise(resolve => { release = resolve; });
    }).catch(noop).then(() => {
      if (replaced) return;
      this._set(false);
      if (!this._closed) this._compete();
    });
  }

  _set(leads) {
    if (this._leads === leads || this._closed && leads) return;
    this._leads = leads;
    this._heard = env.now(); // a tab that was frozen knows nothing of the others
    this._onlead(leads);
    if (leads) this._channel?.postMessage({beat: true});
  }
}

/* Tabs share the storage, so they take turns to sync: two that number their batches from the same
 * state would each take the other's answer for its own. A store notices that (outbox.js), so from
 * a tab that is frozen in the middle the turn can be taken away. */
export function takeTurn(name, mayRob, work) {
  if (!env.locks) return work();
  const lock = `cutout-sync ${name}`;
  const aborter = new AbortController();
  const timer = env.setTimeout(() => aborter.abort(), TURN_MS);
  return env.locks.request(lock, {signal: aborter.signal}, () => { env.clearTimeout(timer); return work(); }
  ).catch(error => {
    if (!aborter.signal.aborted) throw error;
    if (mayRob) return env.locks.request(lock, {steal: true}, work);
    throw failure('locked', 'another tab is syncing');
  });
}
