import test from 'node:test';
import assert from 'node:assert';
import {World, Sync, PATH} from './support/world.js';

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE;

/* Times of the requests, in milliseconds from now. */
function watchRequests(world) {
  const start = world.clock.now();
  const times = [];
  const fetch = Sync.env.fetch;
  Sync.env.fetch = (url, init) => { times.push(world.clock.now() - start); return fetch(url, init); };
  return times;
}

test('has the documented pace', () => {
  const {maxPeriod, minPeriod, failureIncrease, normalPeriod, immediateUpdateDelay} =
    Sync.Scheduler.prototype.settings;
  assert.deepStrictEqual([maxPeriod, minPeriod, failureIncrease, normalPeriod, immediateUpdateDelay],
    [HOUR, 30 * SECOND, 5 * MINUTE, 5 * MINUTE, 500]);
});

test('syncs at login, then every five minutes', async () => {
  const world = new World();
  const times = watchRequests(world);
  const {authenticator} = world.open({email: null});
  await world.clock.pass(MINUTE);
  assert.deepStrictEqual(times, []);
  authenticator.login('ann@example.com');
  await world.clock.pass(11 * MINUTE);
  assert.deepStrictEqual(times, [MINUTE, 6 * MINUTE, 11 * MINUTE]);
});

test('a change is sent half a second later, and changes made together travel together', async () => {
  const world = new World();
  const {app} = world.open();
  await world.clock.pass(MINUTE);
  const times = watchRequests(world);
  app.edit('a', 1);
  await world.clock.pass(300);
  app.edit('b', 2);
  await world.clock.pass(SECOND);
  assert.deepStrictEqual(times, [800, 800]);
  assert.strictEqual(world.server.sent('POST').length, 1);
  assert.strictEqual(world.server.stored().length, 2);
});

test('sets onupdate only where the app has the property', () => {
  const world = new World();
  assert.strictEqual(typeof world.open().app.onupdate, 'function');
  const app = {getPendingObjects() {}, objectsSaved() {}, objectsReceived() {}};
  new Sync(app, {});
  assert.ok(!('onupdate' in app));
});

test('an edit during a sync is sent right after it', async () => {
  const world = new World();
  const {app} = world.open();
  world.server.meetNext('GET', (request, answer) => { app.edit('late', 1); app.dirty.clear(); return answer(); });
  await world.clock.pass(0);
  app.dirty.add('late');
  await world.clock.pass(SECOND);
  assert.strictEqual(world.server.sent('POST').length, 1);
});

test('each failure adds five minutes, up to an hour, and a success undoes it', async () => {
  const world = new World();
  const {scheduler} = world.open();
  for (let i = 0; i < 15; i++) world.server.failNext('GET', 500);
  const waits = [];
  for (let i = 0; i < 15; i++) {
    await world.clock.pass(world.clock.due[0]);
    waits.push(world.clock.due[0] / MINUTE);
  }
  assert.deepStrictEqual(waits, [10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 60, 60, 60, 60]);
  await world.clock.pass(HOUR);
  assert.deepStrictEqual(world.clock.due, [5 * MINUTE]);
  assert.strictEqual(scheduler._failures, 0);
});

test('no answer at all is a failure as well', async () => {
  const world = new World();
  world.open();
  world.server.refuseConnection('GET');
  await world.clock.pass(0);
  assert.deepStrictEqual(world.clock.due, [10 * MINUTE]);
});

test('a full quota is no failure of the server', async () => {
  const world = new World();
  const {app} = world.open();
  app.edit('a', 1);
  world.server.failNext('POST', 507);
  await world.clock.pass(500);
  assert.deepStrictEqual(world.clock.due, [5 * MINUTE]);
});

test('an edit during a slow sync waits for its end', async () => {
  const world = new World();
  const {app} = world.open();
  let answerNow;
  world.server.meetNext('GET', (request, answer) => new Promise(resolve => { answerNow = () => resolve(answer()); }));
  await world.clock.pass(0);
  app.edit('a', 1);
  app.dirty.clear();
  await world.clock.pass(10 * SECOND);
  assert.strictEqual(world.server.requests.length, 1);
  answerNow();
  await world.clock.pass(0);
  assert.deepStrictEqual(world.clock.due, [500]);
});

test('a page that comes back from the browser\'s history is woken, a new one is not', async () => {
  const world = new World();
  world.open();
  await world.clock.pass(0);
  const shown = persisted => world.window.dispatchEvent(Object.assign(new Event('pageshow'), {persisted}));
  shown(false);
  assert.deepStrictEqual(world.clock.due, [5 * MINUTE]);
  shown(true);
  assert.deepStrictEqual(world.clock.due, [500]);
});

test('a Retry-After is waited for, even by a change that is urgent', async () => {
  const world = new World();
  const {app} = world.open();
  world.server.failNext('GET', 503, {'Retry-After': '700'});
  await world.clock.pass(0);
  assert.deepStrictEqual(world.clock.due, [700 * SECOND]);
  app.edit('a', 1);
  assert.deepStrictEqual(world.clock.due, [700 * SECOND]);
  await world.clock.pass(700 * SECOND);
  assert.strictEqual(world.server.stored().length, 1);
});

test('a Retry-After may be a date', async () => {
  const world = new World();
  world.open();
  world.server.failNext('GET', 503, {'Retry-After': new Date(world.clock.now() + 2 * HOUR).toUTCString()});
  await world.clock.pass(0);
  assert.deepStrictEqual(world.clock.due, [2 * HOUR]);
});

test('a Retry-After of nonsense, of the past or of a week is not believed', async () => {
  for (const value of ['soon', '-5', '0', '604800', 'Mon, 01 Jan 2001 00:00:00 GMT']) {
    const world = new World();
    world.open();
    world.server.failNext('GET', 503, {'Retry-After': value});
    await world.clock.pass(0);
    assert.deepStrictEqual(world.clock.due, [10 * MINUTE], value);
  }
});

test('a Retry-After does not count as one more failure', async () => {
  const world = new World();
  world.open();
  world.server.failNext('GET', 503, {'Retry-After': '10'});
  await world.clock.pass(0);
  assert.deepStrictEqual(world.clock.due, [5 * MINUTE]);
});

test('X-Sync-Poll-Time sets the pace of polling, but a change does not wait for it', async () => {
  const world = new World();
  const {app} = world.open();
  world.server.headers = {'X-Sync-Poll-Time': '900'};
  await world.clock.pass(0);
  assert.deepStrictEqual(world.clock.due, [900 * SECOND]);
  app.edit('a', 1);
  assert.deepStrictEqual(world.clock.due, [500]);
  await world.clock.pass(500);
  world.server.headers = {};
  await world.clock.pass(900 * SECOND);
  assert.deepStrictEqual(world.clock.due, [5 * MINUTE]);
});

test('no server can ask for faster polling than every 30 seconds', async () => {
  const world = new World();
  world.open();
  world.server.headers = {'X-Sync-Poll-Time': '2'};
  await world.clock.pass(0);
  assert.deepStrictEqual(world.clock.due, [30 * SECOND]);
});

test('a hidden tab polls every hour, and syncs at once when it is shown', async () => {
  const world = new World();
  world.open();
  await world.clock.pass(0);
  world.page.hide();
  assert.deepStrictEqual(world.clock.due, [HOUR]);
  await world.clock.pass(HOUR);
  assert.deepStrictEqual(world.clock.due, [HOUR]); // a success does not make it lively
  world.page.show();
  assert.deepStrictEqual(world.clock.due, [500]);
  await world.clock.pass(500);
  assert.deepStrictEqual(world.clock.due, [5 * MINUTE]);
});

test('a change made just before the tab is hidden is still sent at once', async () => {
  const world = new World();
  const {app} = world.open();
  await world.clock.pass(0);
  app.edit('a', 1);
  world.page.hide();
  await world.clock.pass(500);
  assert.strictEqual(world.server.stored().length, 1);
});

test('wakes up when the network is back', async () => {
  const world = new World();
  world.open();
  for (let i = 0; i < 5; i++) world.server.refuseConnection('GET');
  for (let i = 0; i < 5; i++) await world.clock.pass(world.clock.due[0]);
  assert.deepStrictEqual(world.clock.due, [30 * MINUTE]);
  world.window.dispatchEvent(new Event('online'));
  await world.clock.pass(500);
  assert.deepStrictEqual(world.clock.due, [5 * MINUTE]);
});

test('a 401 pauses until the next login, and what is pending is then sent', async () => {
  const world = new World();
  const {app, authenticator, scheduler} = world.open();
  const errors = [];
  scheduler.onerror = error => errors.push(error.code);
  world.server.failNext('GET', 401);
  app.edit('a', 1);
  await world.clock.pass(500);
  assert.deepStrictEqual(errors, [401]);
  assert.deepStrictEqual(world.clock.due, []);
  app.edit('b', 2);
  world.page.show();
  assert.deepStrictEqual(world.clock.due, []);
  authenticator.login('ann@example.com');
  await world.clock.pass(0);
  assert.strictEqual(world.server.stored().length, 2);
});

test('logging out stops it, also in the middle of a sync', async () => {
  const world = new World();
  const {authenticator} = world.open();
  world.server.meetNext('GET', (request, answer) => { authenticator.logout(); return answer(); });
  await world.clock.pass(HOUR);
  assert.strictEqual(world.server.requests.length, 1);
  assert.deepStrictEqual(world.clock.due, []);
});

test('a login in the middle of the last user\'s sync is followed by a sync of its own', async () => {
  const world = new World();
  const {authenticator} = world.open();
  world.server.meetNext('GET', (request, answer) => { authenticator.login('bob@example.com'); return answer(); });
  await world.clock.pass(SECOND);
  assert.strictEqual(world.server.requests[1].path, '/app.test/bob%40example.com/notes');
});

test('scheduleSlowly and resetSchedule set the pace, deactivate and activate stop and start', async () => {
  const world = new World();
  const {sync} = world.open();
  await world.clock.pass(0);
  sync.scheduleSlowly();
  assert.deepStrictEqual(world.clock.due, [HOUR]);
  sync.resetSchedule();
  sync.scheduler.schedule();
  assert.deepStrictEqual(world.clock.due, [5 * MINUTE]);
  sync.deactivate();
  assert.deepStrictEqual(world.clock.due, []);
  sync.activate();
  assert.deepStrictEqual(world.clock.due, [0]);
});

test('onsuccess and onerror tell how each sync ended', async () => {
  const world = new World();
  const {scheduler} = world.open();
  const told = [];
  scheduler.onsuccess = () => told.push('success');
  scheduler.onerror = error => told.push(error.error);
  world.server.failNext('GET', 500, {}, {error: 'broken'});
  await world.clock.pass(0);
  await world.clock.pass(10 * MINUTE);
  assert.deepStrictEqual(told, ['broken', 'success']);
});

test('with wait, news arrive as they are written', async () => {
  const world = new World();
  const {app} = world.open({wait: 25});
  world.server.append([{id: 'a', type: 'note', data: 1}], PATH);
  await world.clock.pass(0);
  await world.clock.pass(3 * MINUTE);
  const held = world.server.requests.filter(r => r.query.wait);
  assert.strictEqual(held.length, 8); // one after another, 25 seconds each
  assert.deepStrictEqual([held[0].query.wait, held[0].query.collection_id, held[0].query.since],
    ['25', 'collection-1', '1']);
  world.server.append([{id: 'b', type: 'note', data: 2}]);
  await world.clock.pass(0);
  assert.strictEqual(app.data('b'), 2);
});

test('with wait, an own change does not come back as news', async () => {
  const world = new World();
  const {app} = world.open({wait: 25});
  world.server.append([{id: 'a', type: 'note', data: 1}], PATH);
  await world.clock.pass(SECOND);
  const before = world.server.requests.length;
  app.edit('b', 2);
  await world.clock.pass(SECOND);
  assert.deepStrictEqual(world.server.requests.slice(before).map(r => [r.method, r.query.wait]),
    [['GET', undefined], ['POST', undefined], ['GET', '25']]);
});

test('with wait, the first object of a collection arrives as it is written', async () => {
  const world = new World();
  const {app} = world.open({wait: 25});
  await world.clock.pass(0);
  await world.clock.pass(60 * SECOND);
  assert.deepStrictEqual(world.server.requests.map(r => r.query.wait),
    [undefined, '25', '25', '25']); // an empty answer is no reason for a sync
  world.server.append([{id: 'a', type: 'note', data: 1}]);
  await world.clock.pass(0);
  assert.strictEqual(app.data('a'), 1);
});

test('with wait, a held request is given up ten seconds after its time', async () => {
  const world = new World();
  world.open({wait: 25});
  world.server.append([{id: 'a', type: 'note', data: 1}], PATH);
  world.server.meetNext('GET', (request, answer) => answer());
  world.server.meetNext('GET', () => new Promise(() => {})); // a half-open connection
  await world.clock.pass(34 * SECOND);
  assert.strictEqual(world.server.requests.length, 2);
  await world.clock.pass(3 * SECOND);
  assert.strictEqual(world.server.requests.length, 4); // a sync, and the next held request
});

test('with wait, a server that went away is tried again within seconds, ever more slowly', async () => {
  const world = new World();
  world.open({wait: 25});
  world.server.append([{id: 'a', type: 'note', data: 1}], PATH);
  for (let i = 0; i < 8; i++) world.server.refuseConnection('GET');
  const waits = [];
  for (let i = 0; i < 8; i++) {
    await world.clock.pass(world.clock.due[0]);
    waits.push(world.clock.due[0] / SECOND);
  }
  assert.deepStrictEqual(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
});

test('with wait, a server that does not hold requests is polled as usual', async () => {
  const world = new World();
  world.open({wait: 25});
  world.server.maxWait = 0;
  world.server.append([{id: 'a', type: 'note', data: 1}], PATH);
  await world.clock.pass(4 * MINUTE);
  assert.strictEqual(world.server.requests.length, 2);
  assert.deepStrictEqual(world.clock.due, [MINUTE]);
});

test('with wait, a hidden tab holds no request', async () => {
  const world = new World();
  world.open({wait: 25});
  world.server.append([{id: 'a', type: 'note', data: 1}], PATH);
  await world.clock.pass(SECOND);
  world.page.hide();
  world.server.append([{id: 'b', type: 'note', data: 2}]);
  await world.clock.pass(2 * MINUTE);
  assert.strictEqual(world.server.requests.length, 2);
  world.page.show();
  await world.clock.pass(500);
  assert.strictEqual(world.server.requests[3].query.wait, '25');
});

test('with wait, a 401 on the held request pauses', async () => {
  const world = new World();
  const {scheduler} = world.open({wait: 25});
  const errors = [];
  scheduler.onerror = error => errors.push(error.code);
  world.server.append([{id: 'a', type: 'note', data: 1}], PATH);
  world.server.meetNext('GET', (request, answer) => answer());
  world.server.failNext('GET', 401);
  await world.clock.pass(SECOND);
  assert.deepStrictEqual(errors, [401]);
  assert.deepStrictEqual(world.clock.due, []);
});

test('with wait, the pace the server asks for is kept instead of holding a request', async () => {
  const world = new World();
  world.open({wait: 25});
  world.server.append([{id: 'a', type: 'note', data: 1}], PATH);
  world.server.headers = {'X-Sync-Poll-Time': '60'};
  await world.clock.pass(MINUTE - 1);
  assert.strictEqual(world.server.requests.length, 1);
});

test('with wait, a Retry-After on a good answer holds back the held request too', async () => {
  const world = new World();
  world.open({wait: 25});
  world.server.append([{id: 'a', type: 'note', data: 1}], PATH);
  world.server.meetNext('GET', (request, answer) => Object.assign(answer(), {headers: {'Retry-After': '40'}}));
  await world.clock.pass(39 * SECOND);
  assert.strictEqual(world.server.requests.length, 1);
});

test('with wait, a client that was stopped during a sync holds no request after it', async () => {
  const world = new World();
  const {sync} = world.open({wait: 25});
  world.server.append([{id: 'a', type: 'note', data: 1}], PATH);
  world.server.meetNext('GET', (request, answer) => { sync.deactivate(); return answer(); });
  await world.clock.pass(MINUTE);
  assert.strictEqual(world.server.requests.length, 1);
});
