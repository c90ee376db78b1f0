'use strict';
// Fills one collection per size and prints the URL of an up-to-date poll for each.
// usage: fill.js SERVER_URL SERVER_LOG SIZE...
const fs = require('fs');

const [url, log, ...sizes] = process.argv.slice(2);
const host = new URL(url).hostname;
const user = 'bench@example.com';
const perPost = 10000;

async function login() {
  const token = /dev login token: (\S+)/.exec(fs.readFileSync(log, 'utf8'))[1];
  const response = await fetch(`${url}/verify`, {
    method: 'POST',
    body: new URLSearchParams({assertion: `dev:${token}:${user}`, audience: url}),
  });
  const answer = await response.json();
  if (answer.status !== 'okay') throw new Error(`login: ${JSON.stringify(answer)}`);
  return answer.auth.query.auth;
}

function batch(first, count) {
  const objects = [];
  for (let i = first; i < first + count; i++) {
    objects.push({id: `note-${i}`, type: 'note', data: {text: `This is note number ${i}.`}});
  }
  return JSON.stringify(objects);
}

async function fill(auth, size) {
  const base = `${url}/${host}/${encodeURIComponent(user)}/bench-${size}`;
  let since = 0;
  let id = '';
  for (let done = 0; done < size; done += perPost) {
    const query = new URLSearchParams({auth, since: String(since)});
    if (id) query.set('collection_id', id);
    const body = batch(done, Math.min(perPost, size - done));
    const response = await fetch(`${base}?${query}`, {method: 'POST', body});
    const answer = await response.json();
    if (!answer.object_counters) throw new Error(JSON.stringify(answer).slice(0, 300));
    since = answer.object_counters[answer.object_counters.length - 1];
    id = id || answer.collection_id;
  }
  console.log(`${base}?${new URLSearchParams({auth, since: String(since), collection_id: id})}`);
}

async function main() {
  const auth = await login();
  for (const size of sizes) await fill(auth, Number(size));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
