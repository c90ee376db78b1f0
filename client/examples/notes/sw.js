/* sw.js makes the page open without a network: the newest shell that was ever fetched is kept.
 * The network comes first, so that a new version is seen at once; what the page and the server say
 * to each other about notes never passes through here. */
'use strict';

const CACHE = 'notes-2';
const PATIENCE_MS = 3000; // a network that is slower than this counts as none
const SHELL = ['./', 'notes.css', 'notes.js', 'merge.js', 'icon.svg', '/syncclient.js'];
const addresses = new Set(SHELL.map(path => new URL(path, self.location).href));

self.addEventListener('install', event => {
  event.waitUntil(caches.open(CACHE).then(cache => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', event => {
  event.waitUntil(caches.keys()
    .then(names => Promise.all(names.filter(name => name !== CACHE).map(name => caches.delete(name))))
    .then(() => self.clients.claim()));
});

self.addEventListener('fetch', event => {
  const url = new URL(event.request.url);
  const address = url.origin + url.pathname.replace(/\/index\.html$/, '/');
  if (event.request.method === 'GET' && addresses.has(address)) event.respondWith(answer(address));
});

async function answer(address) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(address);
  const fresh = fetch(address, {cache: 'no-cache'}).then(response => {
    if (response.ok) cache.put(address, response.clone());
    return response.ok || !kept ? response : kept;
  });
  if (!kept) return fresh;
  const patience = new Promise(resolve => { setTimeout(resolve, PATIENCE_MS, kept); });
  return Promise.race([fresh.catch(() => kept), patience]);
}
