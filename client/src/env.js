const root = typeof self !== 'undefined' ? self : globalThis;
const {document = null, location = null, navigator = {}, crypto} = root;
const call = name => (...args) => root[name](...args);

/* All that comes from the surroundings, so that a test can bring its own network, clock and page. */
export const env = {
  fetch: call('fetch'),
  setTimeout: call('setTimeout'),
  clearTimeout: call('clearTimeout'),
  setInterval: call('setInterval'),
  clearInterval: call('clearInterval'),
  now: () => Date.now(),
  random: () => Math.random(),
  randomBytes: bytes => crypto.getRandomValues(bytes),
  localStorage: () => root.localStorage, // functions: merely touching it throws in some browsers
  indexedDB: () => root.indexedDB,
  location,
  document,
  crypto,
  events: root.addEventListener ? root : null,
  locks: document && navigator.locks,
  Channel: document && root.BroadcastChannel,
  storageManager: navigator.storage,
  online: () => navigator.onLine !== false,
  personaId: () => navigator.id,
};
