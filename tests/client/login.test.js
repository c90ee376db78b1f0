import test from 'node:test';
import assert from 'node:assert';
import {World, Sync, FakeApp, outcome, settle} from './support/world.js';

const OKAY = {status: 'okay', email: 'ann@example.com', audience: 'http://app.test',
  auth: {query: {auth: 'T+/='}, headers: {Authorization: 'Bearer T'}}};

/* Answers /verify with what is given and keeps what was asked; the rest goes to the server. */
function verifier(world, answer) {
  const asked = [];
  Sync.env.fetch = async (url, init) => {
    if (!/\/(verify|logout(\/everywhere)?)(\?|$)/.test(url)) return world.server.fetch(url, init);
    const {headers, body} = init;
    asked.push({url, headers, body});
    if (answer.unreachable) throw new TypeError('no network');
    return {status: answer.code || 200, headers: {get: () => null}, text: async () => JSON.stringify(answer)};
  };
  return asked;
}

function logIn(authenticator) {
  return outcome(done => authenticator.request({email: 'ann@example.com'}, done));
}

test('the development login posts the token, the e-mail and where the app lives', async () => {
  const world = new World();
  const asked = verifier(world, OKAY);
  const authenticator = new Sync.DevAuthenticator(null, null, 'SECRET');
  const {error, result} = await logIn(authenticator);
  assert.deepStrictEqual([error, result], [null, 'ann@example.com']);
  assert.strictEqual(asked[0].url, 'http://sync.test/verify');
  assert.ok(asked[0].body instanceof URLSearchParams); // which says itself that it is a form
  assert.deepStrictEqual(Object.fromEntries(new URLSearchParams(asked[0].body)),
    {assertion: 'dev:SECRET:ann@example.com', audience: 'http://app.test'});
});

test('every request carries the query the server named, and no header', async () => {
  const world = new World();
  verifier(world, OKAY);
  const authenticator = new Sync.DevAuthenticator(null, null, 'SECRET');
  const sync = new Sync(new FakeApp(), {authenticator});
  await logIn(authenticator);
  await world.clock.pass(0);
  assert.strictEqual(world.server.requests[0].query.auth, 'T+/=');
  assert.deepStrictEqual(world.server.requests[0].headers, {});
  assert.strictEqual(sync.authenticateUrl('/x?y=1'), '/x?y=1&auth=T%2B%2F%3D');
  assert.strictEqual(sync.authenticateUrl('/x'), '/x?auth=T%2B%2F%3D');
});

test('headers are sent where the server named no query', async () => {
  const world = new World();
  verifier(world, Object.assign({}, OKAY, {auth: {headers: {Authorization: 'Bearer T'}}}));
  const authenticator = new Sync.DevAuthenticator(null, null, 'SECRET');
  new Sync(new FakeApp(), {authenticator});
  await logIn(authenticator);
  await world.clock.pass(0);
  assert.deepStrictEqual(world.server.requests[0].headers, {Authorization: 'Bearer T'});
});

test('an error never shows the token', async () => {
  const world = new World();
  verifier(world, OKAY);
  const authenticator = new Sync.DevAuthenticator(null, null, 'SECRET');
  const sync = new Sync(new FakeApp(), {authenticator});
  await logIn(authenticator);
  world.server.failNext('GET', 500);
  const {error} = await outcome(done => sync.service.syncNow(done));
  assert.ok(!JSON.stringify([error, error.message, error.url]).includes('auth='));
});

test('a login survives a reload, a logout ends it', async () => {
  const world = new World();
  verifier(world, OKAY);
  const authenticator = new Sync.DevAuthenticator(null, null, 'SECRET');
  await logIn(authenticator);
  const reloaded = new Sync.DevAuthenticator(null, null, 'SECRET');
  const seen = [];
  reloaded.watch({onlogin: (email, data) => seen.push(email, data.fromCache), onlogout: () => seen.push('out')});
  assert.deepStrictEqual(seen, ['ann@example.com', true]);
  reloaded.logout();
  assert.deepStrictEqual(seen.slice(2), ['out']);
  assert.strictEqual(new Sync.DevAuthenticator(null, null, 'SECRET').loggedIn(), false);
});

test('a login is not undone by an older one that a slow storage brings', async () => {
  const world = new World();
  verifier(world, OKAY);
  let bring;
  const slow = {get: (name, done) => { bring = done; }, put: (name, value, done) => done(null)};
  const authenticator = new Sync.DevAuthenticator(null, slow, 'SECRET');
  await logIn(authenticator);
  bring({email: 'old@example.com', auth: {}});
  assert.strictEqual(authenticator.email, 'ann@example.com');
});

test('a refused login says why, to the caller and to who watches', async () => {
  const world = new World();
  verifier(world, {status: 'failure', reason: 'wrong token'});
  const authenticator = new Sync.DevAuthenticator(null, null, 'WRONG');
  const seen = [];
  authenticator.watch({onerror: error => seen.push(error.message)});
  const {error} = await logIn(authenticator);
  assert.deepStrictEqual([error.error, error.message], ['login_failed', 'wrong token']);
  assert.deepStrictEqual(seen, ['wrong token']);
  assert.strictEqual(authenticator.loggedIn(), false);
});

test('a login without network is an error, and without a place to keep it still works', async () => {
  const world = new World();
  Sync.env.fetch = async () => { throw new TypeError('fetch failed'); };
  const authenticator = new Sync.DevAuthenticator(null, null, 'SECRET');
  assert.strictEqual((await logIn(authenticator)).error.error, 'network');
  verifier(world, OKAY);
  world.localStorage.room = 0;
  assert.strictEqual((await logIn(authenticator)).result, 'ann@example.com');
});

test('an expired login stays known, so that the app can ask the same user again', async () => {
  const world = new World();
  verifier(world, OKAY);
  const authenticator = new Sync.DevAuthenticator(null, null, 'SECRET');
  new Sync(new FakeApp(), {authenticator});
  await logIn(authenticator);
  world.server.failNext('GET', 401);
  await world.clock.pass(0);
  assert.strictEqual(authenticator.email, 'ann@example.com');
});

test('Persona: watches navigator.id and verifies the assertion it gives', async () => {
  const world = new World();
  const asked = verifier(world, OKAY);
  let watcher;
  const requested = [];
  Sync.env.personaId = () => ({watch: options => { watcher = options; }, request: options => requested.push(options)});
  const sync = new Sync(new FakeApp(), {});
  const seen = [];
  sync.watch({onlogin: email => seen.push(email), onlogout: () => seen.push('out')});
  sync.toggleLogin();
  assert.strictEqual(requested.length, 1);
  watcher.onlogin('ASSERTION');
  await settle();
  assert.deepStrictEqual(seen, ['out', 'ann@example.com']);
  assert.strictEqual(new URLSearchParams(asked[0].body).get('assertion'), 'ASSERTION');
  sync.toggleLogin();
  assert.strictEqual(seen[2], 'out');
});

test('Persona: an assertion among the options is verified right away', async () => {
  const world = new World();
  const asked = verifier(world, OKAY);
  const sync = new Sync(new FakeApp(), {assertion: 'GIVEN', verifyUrl: 'http://else.test/verify'});
  await settle();
  assert.strictEqual(asked[0].url, 'http://else.test/verify');
  assert.strictEqual(asked[0].body.get('assertion'), 'GIVEN');
  assert.strictEqual(sync.authenticator.loggedIn(), true);
});

test('Persona: request without navigator.id says what is missing', () => {
  new World();
  assert.throws(() => new Sync(new FakeApp(), {}).request(), /navigator\.id/);
});

test('an option that does not exist is refused by name', () => {
  new World();
  assert.throws(() => new Sync(new FakeApp(), {buckets: 'x'}), /no option "buckets"/);
  assert.throws(() => new Sync(), /appData/);
});

test('a token supplier logs in, and once more when the login has expired', async () => {
  const world = new World();
  const asked = verifier(world, OKAY);
  const tokens = ['ONE', 'TWO', 'THREE'];
  const authenticator = new Sync.TokenAuthenticator(null, null, async () => tokens.shift());
  const sync = new Sync(new FakeApp(), {authenticator});
  assert.strictEqual(await sync.request(), 'ann@example.com');
  await world.clock.pass(0);
  world.server.failNext('GET', 401);
  world.server.failNext('GET', 401);
  await outcome(done => sync.service.syncNow(done));
  await world.clock.pass(0);
  const assertions = () => asked.map(({body}) => new URLSearchParams(body).get('assertion'));
  assert.deepStrictEqual(assertions(), ['ONE', 'TWO']);
  await outcome(done => sync.service.syncNow(done)); // not in a tight loop
  await world.clock.pass(0);
  assert.deepStrictEqual(assertions(), ['ONE', 'TWO']);
});

test('a token supplier that has none is an error', async () => {
  new World();
  const authenticator = new Sync.TokenAuthenticator(null, null, () => null);
  await assert.rejects(authenticator.request(), {error: 'no_token'});
});

/* ---- Staying logged in, and out -------------------------------------------------------------- */

const LASTING = {...OKAY, expires_in: 3600};
const assertionsOf = asked => asked.map(({body}) => body?.get('assertion'));

async function syncing(world, answer) {
  const asked = verifier(world, answer);
  const authenticator = new Sync.DevAuthenticator(null, null, 'SECRET');
  const sync = new Sync(new FakeApp(), {authenticator});
  const heard = [];
  sync.watch({onlogin: email => heard.push(email), onlogout: () => heard.push('out')});
  await logIn(authenticator);
  await world.clock.pass(0);
  heard.length = 0;
  asked.length = 0;
  return {asked, authenticator, sync, heard};
}

test('a token that is used in the second half of its life is renewed, and nobody hears of it', async () => {
  const world = new World();
  const {asked, authenticator, sync, heard} = await syncing(world, LASTING);
  const answer = {...LASTING, auth: {query: {auth: 'NEW'}}};
  await world.clock.pass(1799e3);
  await sync.syncNow();
  assert.deepStrictEqual(assertionsOf(asked), []);
  verifier(world, answer);
  await world.clock.pass(2e3);
  await sync.syncNow();
  await settle();
  assert.strictEqual(sync.authenticateUrl('/x'), '/x?auth=NEW');
  assert.deepStrictEqual(heard, []);
  assert.strictEqual(authenticator.email, 'ann@example.com');
  await sync.syncNow();
  assert.strictEqual(world.server.requests.at(-1).query.auth, 'NEW');
});

test('a renewal that fails is tried again in a minute, and the token serves as long as it lasts', async () => {
  const world = new World();
  const {sync, heard} = await syncing(world, LASTING);
  const asked = verifier(world, {status: 'failure', reason: 'not now'});
  await world.clock.pass(1801e3);
  for (let i = 0; i < 5; i++) await sync.syncNow();
  const before = asked.length;
  assert.ok(before >= 1 && assertionsOf(asked).every(assertion => assertion === 'T+/='));
  await sync.syncNow();
  assert.strictEqual(asked.length, before);
  await world.clock.pass(61e3);
  await sync.syncNow();
  assert.ok(asked.length > before);
  assert.deepStrictEqual(heard, []);
  assert.strictEqual(sync.authenticateUrl('/x'), '/x?auth=T%2B%2F%3D');
});

test('a login without an end, or without a token in the query, is not renewed', async () => {
  for (const answer of [OKAY, {...LASTING, auth: {headers: {Authorization: 'Bearer T'}}}]) {
    const world = new World();
    const {sync} = await syncing(world, answer);
    const asked = verifier(world, answer);
    await world.clock.pass(3000e3);
    await sync.syncNow();
    if (answer === OKAY) assert.strictEqual(asked.length, 0);
    assert.strictEqual(sync.status().lastError, null);
  }
});

test('logging out ends the session at the server, with everywhere all of them', async () => {
  for (const [options, path] of [[undefined, 'logout'], [{everywhere: true}, 'logout/everywhere']]) {
    const world = new World();
    const {asked, sync, heard} = await syncing(world, OKAY);
    sync.logout(options);
    assert.deepStrictEqual(heard, ['out']);
    await settle();
    assert.deepStrictEqual(asked.map(({url}) => url), [`http://sync.test/${path}?auth=T%2B%2F%3D`]);
    sync.logout();
    assert.strictEqual(asked.length, 1, 'who is not logged in has no session');
  }
});

test('logging out works without the server', async () => {
  const world = new World();
  const {sync, heard} = await syncing(world, OKAY);
  const asked = verifier(world, {unreachable: true});
  sync.logout();
  await settle();
  assert.strictEqual(asked.length, 1);
  assert.deepStrictEqual(heard, ['out']);
  assert.strictEqual(sync.authenticator.loggedIn(), false);
});
