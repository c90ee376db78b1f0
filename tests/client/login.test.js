import test from 'node:test';
import assert from 'node:assert';
import {World, Sync, FakeApp, outcome, settle} from './support/world.js';

const OKAY = {status: 'okay', email: 'ann@example.com', audience: 'http://app.test',
  auth: {query: {auth: 'T+/='}, headers: {Authorization: 'Bearer T'}}};

/* Answers /verify with what is given and keeps what was asked; the rest goes to the server. */
function verifier(world, answer) {
  const asked = [];
  Sync.env.fetch = async (url, init) => {
    if (!url.endsWith('/verify')) return world.server.fetch(url, init);
    const {headers, body} = init;
    asked.push({url, headers, body});
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
  assert.deepStrictEqual(asked[0].headers, {'Content-Type': 'application/x-www-form-urlencoded'});
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
  assert.ok(asked[0].body.startsWith('assertion=GIVEN&'));
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
