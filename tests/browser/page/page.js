/* What the tests of the store do in a page: open it, look at it, wait for something. */
'use strict';

const ticks = []; // what the client wants done every few seconds; tests call it by hand
const told = [];  // events of the sync, in order
let store, sync;
let ended = 0;    // syncs of the schedule

/* options: those of Sync, and email, token, database, resolve (a conflict: 'join' or nothing). */
async function openStore({email, token, database, resolve, encryption, ...options}) {
  if (options.manualTicks) Sync.env.setInterval = work => ticks.push(work);
  delete options.manualTicks;
  store = new Sync.IndexedDBStore(database || 'test');
  if (resolve === 'join') {
    store.onconflict = (mine, theirs) => mine.deleted || theirs.deleted ? mine
      : {...mine, data: [mine.data, theirs.data].sort().join('+')};
  }
  if (encryption) {
    const {Encryption} = await import('/encryption.js');
    options.encryption = new Encryption(encryption, {iterations: 1000});
  }
  const authenticator = new Sync.DevAuthenticator(null, new Sync.LocalStorage('login::'), token);
  sync = new Sync(store, {appName: 'test', authenticator, ...options});
  sync.scheduler.onsuccess = sync.scheduler.onerror = () => { ended++; };
  for (const name of ['login', 'logout', 'autherror', 'error']) {
    sync.addEventListener(name, ({detail}) => told.push(detail && detail.error ? `${name} ${detail.error}` : name));
  }
  sync.addEventListener('status', ({detail}) => {
    if (detail.progress) told.push(`progress ${detail.progress.pending}`);
  });
  if (email && !authenticator.loggedIn()) await sync.request({email});
}

const note = (id, data) => ({type: 'note', id, data});

async function all() {
  return (await store.list('note')).map(({id, data}) => `${id}=${data}`).sort();
}

/* Resolves as soon as the condition, looked at after each change of objects or status, holds. */
function until(condition) {
  return new Promise((resolve, reject) => {
    const look = () => Promise.resolve(condition()).then(holds => { if (holds) resolve(); }, reject);
    store.observe(look);
    sync.addEventListener('status', look);
    look();
  });
}

const untilSent = () => until(async () => await store.countPending([sync.target]) === 0 && !sync.status().lastError);
const untilAll = (...expected) => until(async () => (await all()).join() === expected.sort().join());

/* Resolves when the schedule has come to the end of so many syncs, and waits again. A status tells of a
 * sync's end a little earlier than that: its turn is still to be given back. */
function untilEnded(count) {
  return new Promise(resolve => {
    const look = () => ended >= count ? resolve() : setTimeout(look, 10);
    look();
  });
}

/* Gives a function that lists the timers set from now on that still wait, in milliseconds. */
function watchTimers() {
  const waiting = new Map();
  const {setTimeout, clearTimeout} = Sync.env;
  Sync.env.setTimeout = (work, ms) => {
    const timer = setTimeout(() => { waiting.delete(timer); work(); }, ms);
    waiting.set(timer, ms);
    return timer;
  };
  Sync.env.clearTimeout = timer => { waiting.delete(timer); clearTimeout(timer); };
  return () => [...waiting.values()];
}

/* As a browser does it with a tab that another one covers. */
function setHidden(hidden) {
  Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}
