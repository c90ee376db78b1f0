const root = typeof self !== 'undefined' ? self : globalThis;

/* All that comes from the surroundings, so that a test can bring its own network, clock and page. */
export const env = {
  fetch: (url, init) => root.fetch(url, init),
  setTimeout: (fn, ms) => root.setTimeout(fn, ms),
  clearTimeout: id => root.clearTimeout(id),
  now: () => Date.now(),
  random: () => Math.random(),
  randomBytes: bytes => root.crypto.getRandomValues(bytes),
  localStorage: () => root.localStorage, // a function: merely touching it throws in some browsers
  location: root.location || null,
  document: root.document || null,
  events: root.addEventListener ? root : null,
  locks: root.document && root.navigator && root.navigator.locks || null,
  personaId: () => root.navigator && root.navigator.id || null,
};
