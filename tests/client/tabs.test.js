/* Several tabs of one browser; each has a page of its own, and all hear the same clock. */
import test from 'node:test';
import assert from 'node:assert';
import {Sync, World, FakeAuthenticator, FakeBrowser, FakePage, MemoryDatabase, MemoryDisk, SERVER, settle}
  from './support/world.js';

const SECOND = 1000;

class Tabs {
  constructor() {
    this.world = new World();
    this.browser = new FakeBrowser();
    this.disk = new MemoryDisk();
    Object.assign(Sync.env, {locks: this.browser.locks, Channel: this.browser.Channel});
  }

  /* The client reads env.document whenever it looks: each tab sees its own page through a getter. */
  open(options) {
    const page = new FakePage();
    Sync.env.document = page;
    const before = new Set(this.browser.channels);
    const store = new Sync.IndexedDBStore('notes', {database: new MemoryDatabase(this.disk)});
    const authenticator = new FakeAuthenticator();
    const sync = new Sync(store, {serverUrl: SERVER, appName: 'notes', authenticator, wait: 0, ...options});
    const channels = [...this.browser.channels].filter(channel => !before.has(channel));
    return {page, store, sync, authenticator, channels, leads: () => sync.status().leader};
  }

  show(tab) { Sync.env.document = tab.page; tab.page.show(); }
  hide(tab) { Sync.env.document = tab.page; tab.page.hide(); }
  pass(ms) { return this.world.clock.pass(ms); }
}

test('the first tab leads and syncs, the second only sees what changes', async () => {
  const tabs = new Tabs();
  const one = tabs.open();
  await tabs.pass(0);
  const two = tabs.open();
  await tabs.pass(0);
  assert.deepStrictEqual([one.leads(), two.leads()], [true, false]);
  const told = [];
  one.store.observe(changes => told.push(...changes.map(change => change.object.id)));
  await two.store.put({id: 'a', data: 1});
  await tabs.pass(SECOND);
  assert.deepStrictEqual(told, ['a']);
  assert.strictEqual(tabs.world.server.sent('POST').length, 1);
  assert.strictEqual(two.sync.status().lastSync, one.sync.status().lastSync);
  assert.strictEqual(two.sync.status().pending, 0);
});

test('a tab that is opened later is told at once what the leader knows', async () => {
  const tabs = new Tabs();
  tabs.world.server.failNext('GET', 401);
  const one = tabs.open();
  await tabs.pass(SECOND);
  assert.strictEqual(one.sync.status().lastError.code, 401);
  const two = tabs.open();
  await tabs.pass(0);
  assert.strictEqual(two.sync.status().lastError.code, 401);
  assert.deepStrictEqual([one.leads(), two.leads()], [true, false]);
});

test('when the leader is closed the other takes over at once', async () => {
  const tabs = new Tabs();
  const one = tabs.open();
  await tabs.pass(0);
  const two = tabs.open();
  await tabs.pass(0);
  one.sync.close();
  await tabs.pass(0);
  assert.strictEqual(two.leads(), true);
});

test('a leader that gets hidden lets go to a visible tab, and leads again only when alone', async () => {
  const tabs = new Tabs();
  const one = tabs.open();
  await tabs.pass(0);
  const two = tabs.open();
  await tabs.pass(0);
  tabs.hide(one);
  Sync.env.document = two.page;
  await tabs.pass(0);
  assert.deepStrictEqual([one.leads(), two.leads()], [false, true]);
  await tabs.pass(60 * SECOND);
  assert.deepStrictEqual([one.leads(), two.leads()], [false, true]);
  two.sync.close();
  await tabs.pass(0);
  assert.strictEqual(one.leads(), true);
});

test('what the leader before it said, and arrives late, changes nothing for the one that leads', async () => {
  const tabs = new Tabs();
  const one = tabs.open();
  await tabs.pass(0);
  const two = tabs.open();
  await tabs.pass(0);
  const late = [];
  const deliver = two.channels.map(channel => {
    const hear = channel.onmessage;
    channel.onmessage = message => late.push(() => hear(message));
    return () => { channel.onmessage = hear; };
  });
  await one.sync.syncNow();
  tabs.hide(one);
  Sync.env.document = two.page;
  await tabs.pass(0);
  assert.deepStrictEqual([one.leads(), two.leads()], [false, true]);
  deliver.forEach(restore => restore());
  assert.ok(late.length);
  late.forEach(hear => hear());
  await tabs.pass(0);
  assert.deepStrictEqual([one.leads(), two.leads()], [false, true]);
  two.sync.close();
  await tabs.pass(0);
  assert.strictEqual(one.leads(), true);
});

test('a tab that opens while the leader is being hidden leads at its next beat', async () => {
  const tabs = new Tabs();
  const one = tabs.open();
  await tabs.pass(0);
  const request = tabs.browser.locks.request;
  let queue;
  tabs.browser.locks.request = (name, ...rest) => new Promise(resolve => { // its request is still on the way
    queue = () => resolve(request(name, ...rest));
  });
  const two = tabs.open();
  tabs.browser.locks.request = request;
  await settle(); // the leader is visible: it does not give way
  tabs.hide(one);
  await settle();
  assert.deepStrictEqual([one.leads(), two.leads()], [true, false]);
  queue();
  // Both ticks look at the page: the leader's must find it hidden, the other's visible.
  Object.defineProperty(Sync.env, 'document', {configurable: true, get: () => tabs.looks.page,
    set: page => { tabs.looks = {page}; }});
  tabs.looks = two;
  for (const channel of one.channels) {
    const hear = channel.onmessage;
    channel.onmessage = message => {
      tabs.looks = one;
      hear?.(message);
      tabs.looks = two;
    };
  }
  await tabs.pass(5 * SECOND);
  Object.defineProperty(Sync.env, 'document', {configurable: true, writable: true, value: two.page});
  assert.deepStrictEqual([one.leads(), two.leads()], [false, true]);
});

test('a hidden leader gives way to a tab that wants to lead', async () => {
  const tabs = new Tabs();
  const one = tabs.open();
  await tabs.pass(0);
  tabs.hide(one);
  await tabs.pass(0);
  assert.strictEqual(one.leads(), true); // nobody else is there
  Object.defineProperty(Sync.env, 'document', {configurable: true, writable: true, value: one.page});
  const two = tabs.open();
  Sync.env.document = one.page; // it is the hidden one that is asked
  await settle();
  assert.deepStrictEqual([one.leads(), two.leads()], [false, true]);
});

test('a visible tab takes over after 15 seconds of silence, and not before', async () => {
  const tabs = new Tabs();
  const one = tabs.open();
  await tabs.pass(0);
  const two = tabs.open();
  await tabs.pass(40 * SECOND); // the leader beats: nothing happens
  assert.deepStrictEqual([one.leads(), two.leads()], [true, false]);
  for (const channel of one.channels) { // frozen
    channel.frozen = true;
    channel.postMessage = () => {};
  }
  await tabs.pass(14 * SECOND);
  assert.strictEqual(two.leads(), false);
  await tabs.pass(6 * SECOND);
  assert.deepStrictEqual([one.leads(), two.leads()], [false, true]);
});

test('a tab that is frozen in the middle of a sync is robbed of its turn, and what it does later is refused', async () => {
  const tabs = new Tabs();
  const {world} = tabs;
  const one = tabs.open();
  await tabs.pass(SECOND);
  let thaw;
  world.server.meetNext('POST', (request, answer) => {
    const now = answer();
    return new Promise(resolve => { thaw = () => resolve(now); });
  });
  await one.store.put({id: 'a', data: 1});
  await tabs.pass(SECOND);
  world.clock.timers.clear(); // frozen: none of its timers goes off
  const two = tabs.open();
  const other = two.sync.syncNow();
  await two.store.put({id: 'b', data: 2});
  await tabs.pass(50 * SECOND);
  assert.strictEqual(world.server.stored().length, 1);
  await tabs.pass(11 * SECOND);
  await other;
  assert.deepStrictEqual(world.server.stored().map(object => object.data), [1, 2]);
  const state = () => [...tabs.disk.tables.state].map(([, text]) => JSON.parse(text)).find(row => row.stamp);
  const before = state();
  thaw();
  await settle();
  assert.ok(state().stamp >= before.stamp && state().state.position >= before.state.position);
  assert.strictEqual(await two.store.countPending(), 0);
  await one.store.put({id: 'c', data: 3});
  await tabs.pass(10 * SECOND);
  assert.deepStrictEqual(world.server.stored().map(object => object.data), [1, 2, 3]);
});

test('a login in one tab is a login in all', async () => {
  const tabs = new Tabs();
  const open = () => {
    const authenticator = new Sync.DevAuthenticator(null, null, 'SECRET');
    return {authenticator, tab: tabs.open({authenticator})};
  };
  const one = open();
  const two = open();
  const fetch = Sync.env.fetch;
  Sync.env.fetch = (url, init) => url.endsWith('/verify') ? Promise.resolve({status: 200,
    headers: {get: () => null}, text: async () => JSON.stringify({status: 'okay', email: 'ann@example.com',
      auth: {query: {auth: 'T'}}})}) : fetch(url, init);
  await two.authenticator.request({email: 'ann@example.com'});
  await tabs.pass(SECOND);
  assert.strictEqual(one.authenticator.email, 'ann@example.com');
  one.authenticator.logout();
  await tabs.pass(SECOND);
  assert.strictEqual(two.authenticator.loggedIn(), false);
});

test('without locks or channels every tab leads', async () => {
  const tabs = new Tabs();
  Sync.env.locks = null;
  const one = tabs.open();
  const two = tabs.open();
  await tabs.pass(0);
  assert.deepStrictEqual([one.leads(), two.leads()], [true, true]);
});
