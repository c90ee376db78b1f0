/* The store and the sync client in real browsers, against the real server, over a network that fails. */
'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const nodeTest = require('node:test');
const { chromium } = require('playwright-core');
const { startServer } = require('../http/lib/server.js');
const { startProxy } = require('./lib/proxy.js');

const CLIENT = path.resolve(__dirname, '../../client');
const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const QUIET = ['--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-gpu'];
const LONG = 20000 * Number(process.env.TEST_PATIENCE || 1);

const { before, after, afterEach } = nodeTest;
const test = (name, work) => nodeTest.test(name, { timeout: 3 * LONG }, work);

let root;
let browser;
let server;
let proxy;
let users = 0;

function conf(more = '') {
    return `document_root ${root}\n${more}`;
}

before(async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-page-'));
    root = path.join(directory, 'root');
    fs.cpSync(path.join(__dirname, 'page'), root, { recursive: true });
    execFileSync(process.execPath, ['build.js', root], { cwd: CLIENT });
    execFileSync(path.join(CLIENT, 'node_modules/.bin/esbuild'), [path.join(__dirname, 'page/hooks.js'),
        '--bundle', '--minify', '--log-level=warning', `--outfile=${path.join(root, 'hooks.js')}`,
        '--allow-overwrite'],
    { env: { ...process.env, NODE_PATH: path.join(CLIENT, 'node_modules') } });
    browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: process.getuid() === 0 ? [...QUIET, '--no-sandbox'] : QUIET,
    });
    server = await startServer({ conf: conf() });
    proxy = await startProxy(server);
});

after(async () => {
    await browser.close();
    await proxy.stop();
    await server.stop();
    fs.rmSync(path.dirname(root), { recursive: true });
});

/* What a test that failed leaves behind is not the next one's trouble. */
afterEach(async () => {
    proxy.rules = [];
    await Promise.all(browser.contexts().map((context) => context.close()));
});

const newUser = () => `user${++users}@example.org`;

/* A browser of its own; more tabs of it by openTab(). */
async function openDevice(options = {}, through = proxy) {
    const context = await browser.newContext();
    const device = { context, through, options: { token: server.devToken, ...options } };
    return openTab(device);
}

async function openTab({ context, options, through }) {
    const page = await context.newPage();
    page.setDefaultTimeout(LONG);
    await page.goto(through.url + '/');
    await page.evaluate((given) => openStore(given), options);
    const run = (work, ...values) => page.evaluate(work, ...values);
    return { context, options, through, page, run,
        put: (id, data) => run(([a, b]) => store.put(note(a, b)), [id, data]),
        remove: (id) => run((a) => store.delete(note(a)), id),
        all: () => run(() => all()),
        sent: () => run(() => untilSent()),
        sees: (...expected) => run((list) => untilAll(...list), expected),
        told: () => run(() => told),
        ended: (count) => run((n) => untilEnded(n), count),
        syncNow: (force) => run((forcePut) => sync.syncNow({ forcePut })
            .then(() => null, (error) => ({ error: error.error, code: error.code })), force),
        close: () => context.close() };
}

/* A server with dev login forgets its keys when it ends. */
function logInAgain(device, { devToken }) {
    return device.run(([token, email]) => {
        sync.authenticator.token = token;
        return sync.request({ email });
    }, [devToken, device.options.email]);
}

test('two devices: what one changes and deletes the other is told at once', async () => {
    const email = newUser();
    const one = await openDevice({ email });
    const two = await openDevice({ email });
    await one.put('a', 'milk');
    await one.put('b', 'bread');
    await two.sees('a=milk', 'b=bread');
    await two.remove('a');
    await one.sees('b=bread');
    await one.close();
    await two.close();
});

test('offline edits on both are merged when they are back', async () => {
    const email = newUser();
    const one = await openDevice({ email, resolve: 'join' });
    const two = await openDevice({ email, resolve: 'join' });
    await one.put('same', 'old');
    await two.sees('same=old');
    await one.context.setOffline(true);
    await two.context.setOffline(true);
    await one.put('same', 'one');
    await two.put('same', 'two');
    await one.put('a', 1);
    await two.put('b', 2);
    await one.context.setOffline(false);
    await one.sent();
    await two.context.setOffline(false);
    await two.sees('a=1', 'b=2', 'same=one+two');
    await one.sees('a=1', 'b=2', 'same=one+two');
    await one.close();
    await two.close();
});

test('an answer that is lost doubles nothing, and the newer edit stays', async () => {
    const one = await openDevice({ email: newUser() });
    await one.ended(1);
    proxy.next('POST', 'lose', 2);
    proxy.next('POST', 'refuse');
    await one.put('a', 'first');
    await one.ended(2);
    await one.put('a', 'second');
    await one.sent();
    assert.deepEqual(await one.all(), ['a=second']);
    const numbers = proxy.collected('POST').slice(-5).map((line) => /seq=(\d+)/.exec(line)[1]);
    assert.deepEqual(numbers.slice(-4), ['1', '1', '1', '2']);
    await one.close();
});

test('a server that is killed in the middle of a POST loses and doubles nothing', async () => {
    const email = newUser();
    const one = await openDevice({ email });
    await one.put('a', 1);
    await one.sent();
    proxy.next('POST', () => server.kill());
    await one.put('b', 2);
    await one.run(() => until(() => sync.status().lastError));
    await one.put('c', 3);
    await server.restart({ samePort: true });
    await logInAgain(one, server);
    await one.sent();
    const two = await openDevice({ email });
    await two.sees('a=1', 'b=2', 'c=3');
    await one.close();
    await two.close();
});

test('a 401 pauses, tells the app and loses nothing', async () => {
    const one = await openDevice({ email: newUser() });
    await one.ended(1);
    proxy.next('POST', { status: 401 });
    await one.put('a', 1);
    await one.ended(2);
    assert.ok((await one.told()).includes('autherror'));
    assert.deepEqual(await one.all(), ['a=1']);
    const before = proxy.seen.length;
    await one.put('b', 2);
    assert.equal((await one.run(() => sync.status())).lastError.code, 401);
    assert.equal(proxy.seen.length, before);
    await logInAgain(one, server);
    await one.sent();
    await one.close();
});

test('a 503 with Retry-After is waited for', async () => {
    const one = await openDevice({ email: newUser(), manualTicks: true });
    await one.ended(1);
    proxy.next('POST', { status: 503, headers: { 'Retry-After': '3600' } });
    await one.run(() => { window.timers = watchTimers(); });
    await one.put('a', 1);
    await one.ended(2);
    assert.equal((await one.run(() => sync.status())).lastError.code, 503);
    const waits = await one.run(() => timers());
    assert.equal(waits.length, 1, `waits ${waits} ms`);
    assert.ok(waits[0] > 3590000 && waits[0] <= 3600000, `waits ${waits} ms`);
    await one.close();
});

test('413: batches are halved, and what is too large for the server is set aside', async () => {
    const small = await startServer({ conf: conf('max_object_bytes 1k\nmax_post_objects 40\n') });
    const through = await startProxy(small);
    const email = newUser();
    const one = await openDevice({ email, token: small.devToken }, through);
    await one.syncNow();
    through.next('POST', { status: 413 });
    await one.run(() => store.put([...Array(150).keys()].map((i) => note('n' + i, i))
        .concat(note('large', 'x'.repeat(2000)))));
    await one.run(() => until(async () => await store.countPending([sync.target]) === 1));
    assert.ok(through.seen.includes('GET /info'));
    const two = await openDevice({ email, token: small.devToken }, through);
    await two.run(() => until(async () => (await all()).length === 150));
    await one.put('large', 'small now');
    await two.run(() => until(async () => (await all()).length === 151));
    await one.close();
    await two.close();
    await through.stop();
    await small.stop();
});

test('a deleted collection: what is here stays, and can be sent anew', async () => {
    const email = newUser();
    const one = await openDevice({ email });
    const two = await openDevice({ email });
    await one.put('a', 1);
    await two.sees('a=1');
    await one.run(() => sync.service.deleteCollection('spring cleaning'));
    assert.equal((await two.syncNow()).error, 'collection_deleted');
    assert.deepEqual(await two.all(), ['a=1']);
    assert.equal(await two.syncNow(true), null);
    const three = await openDevice({ email });
    await three.sees('a=1');
    for (const device of [one, two, three]) await device.close();
});

test('a server that was restored from a backup gets what it has forgotten', async () => {
    const other = await startServer({ conf: conf() });
    const through = await startProxy(other);
    const email = newUser();
    const one = await openDevice({ email, token: other.devToken }, through);
    await one.put('a', 'early');
    await one.sent();
    await other.stop();
    const backup = path.join(root, '..', 'backup');
    fs.cpSync(other.dataDir, backup, { recursive: true });
    await other.start();
    await logInAgain(one, other);
    await one.put('a', 'late');
    await one.put('b', 'late');
    await one.sent();
    await other.stop();
    fs.rmSync(other.dataDir, { recursive: true });
    fs.cpSync(backup, other.dataDir, { recursive: true });
    await other.start();
    await logInAgain(one, other);
    assert.equal(await one.syncNow(), null);
    const two = await openDevice({ email, token: other.devToken }, through);
    await two.sees('a=late', 'b=late');
    await one.close();
    await two.close();
    await through.stop();
    await other.stop();
});

test('a storage that the browser emptied is filled again', async () => {
    const one = await openDevice({ email: newUser() });
    await one.put('a', 1);
    await one.sent();
    await one.run(() => new Promise((resolve, reject) => {
        const request = indexedDB.deleteDatabase('cutout test');
        request.onsuccess = resolve;
        request.onerror = reject;
    }));
    assert.deepEqual(await one.all(), []);
    assert.equal(await one.syncNow(), null);
    assert.deepEqual(await one.all(), ['a=1']);
    await one.close();
});

test('two tabs: one talks, both see each change, and the other takes over when it is closed', async () => {
    const one = await openDevice({ email: newUser() });
    await one.run(() => until(() => sync.status().leader));
    const two = await openTab(one);
    assert.equal((await two.run(() => sync.status())).leader, false);
    const before = proxy.seen.length;
    await two.put('a', 1);
    await one.sees('a=1');
    await two.sent();
    await one.put('b', 2);
    await two.sees('a=1', 'b=2');
    await one.sent();
    const clients = new Set(proxy.seen.slice(before).map((line) => /client=(\w+)/.exec(line))
        .filter(Boolean).map((match) => match[1]));
    assert.equal(clients.size, 1);
    await one.page.close();
    await two.run(() => until(() => sync.status().leader));
    await two.put('c', 3);
    await two.sent();
    await two.close();
});

test('a hidden leader lets go, and leads again when it is alone', async () => {
    const one = await openDevice({ email: newUser() });
    await one.run(() => until(() => sync.status().leader));
    const two = await openTab(one);
    await one.run(() => setHidden(true));
    await two.run(() => until(() => sync.status().leader));
    await one.run(() => until(() => !sync.status().leader));
    await two.page.close();
    await one.run(() => until(() => sync.status().leader));
    await one.close();
});

test('a visible tab takes over from a leader that says nothing any more', async () => {
    const one = await openDevice({ email: newUser(), manualTicks: true }); // never ticks: never beats
    await one.run(() => until(() => sync.status().leader));
    const two = await openTab(one);
    const leader = () => two.run(async () => (await navigator.locks.query()).held
        .find(({ name }) => name.startsWith('cutout-leader')).clientId);
    const before = await leader();
    await two.run(() => {
        const now = Date.now();
        Sync.env.now = () => now;
        setHidden(false); // from now on it listens
        for (const seconds of [5, 10, 14]) {
            Sync.env.now = () => now + seconds * 1000;
            ticks.forEach((tick) => tick());
        }
    });
    assert.equal(await leader(), before);
    await two.run(() => {
        const now = Date.now();
        Sync.env.now = () => now + 16000;
        ticks.forEach((tick) => tick());
        return until(() => sync.status().leader);
    });
    await one.run(() => until(() => !sync.status().leader));
    await one.close();
});

test('a change made just before the page is left is sent by a request that outlives it', async () => {
    const email = newUser();
    const one = await openDevice({ email });
    await one.ended(1);
    await one.run(() => { Sync.env.setTimeout = () => 0; }); // the schedule alone would send nothing
    await one.put('a', 'last words');
    await one.run(() => setHidden(true));
    await one.sent();
    const two = await openDevice({ email });
    await two.sees('a=last words');
    await one.close();
    await two.close();
});

test('a clock that jumps, or a machine that slept, does not stop it', async () => {
    const email = newUser();
    const one = await openDevice({ email, manualTicks: true, wait: 0 });
    await one.ended(1);
    const two = await openDevice({ email });
    await two.put('a', 1);
    await two.sent();
    await one.run(() => {
        const now = Date.now();
        Sync.env.now = () => now + 8 * 3600 * 1000; // slept for a night
        ticks.forEach((tick) => tick());
    });
    await one.sees('a=1');
    await one.ended(2);
    await two.put('b', 2);
    await two.sent();
    await one.run(() => {
        const now = Date.now();
        Sync.env.now = () => now - 24 * 3600 * 1000; // set back by a day
        ticks.forEach((tick) => tick());
    });
    await one.sees('a=1', 'b=2');
    await one.close();
    await two.close();
});

test('10,000 objects: a first sync tells how far it is', async () => {
    const paged = await startServer({ conf: conf('max_response_objects 2000\n') });
    const through = await startProxy(paged);
    const email = newUser();
    const one = await openDevice({ email, token: paged.devToken }, through);
    await one.run(() => store.put([...Array(10000).keys()].map((i) => note('n' + i, i))));
    await one.sent();
    const two = await openDevice({ email, token: paged.devToken }, through);
    await two.run(() => until(async () => (await all()).length === 10000));
    const progress = (await two.told()).filter((line) => line.startsWith('progress'));
    assert.deepEqual([...new Set(progress)].slice(0, 4),
        ['progress 8000', 'progress 6000', 'progress 4000', 'progress 2000']);
    await one.close();
    await two.close();
    await through.stop();
    await paged.stop();
});

test('with a passphrase the server never sees what is in an object', async () => {
    const email = newUser();
    const one = await openDevice({ email, encryption: 'correct horse' });
    await one.put('a', 'a secret text');
    await one.sent();
    const two = await openDevice({ email, encryption: 'correct horse' });
    await two.sees('a=a secret text');
    const three = await openDevice({ email, encryption: 'battery staple' });
    assert.equal((await three.syncNow()).error, 'wrong_key');
    assert.deepEqual(await three.all(), []);
    const four = await openDevice({ email });
    assert.equal((await four.syncNow()).error, 'encrypted');
    const files = fs.readdirSync(server.dataDir, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => fs.readFileSync(path.join(entry.parentPath || entry.path, entry.name), 'latin1'));
    assert.ok(files.some((text) => text.includes('cutout-key')));
    assert.ok(!files.some((text) => text.includes('a secret text')));
    for (const device of [one, two, three, four]) await device.close();
});

/* What a page may talk to is said by the server that it comes from: here nothing stands between. */
test('an app moves from one server to another, which its own server has to allow', async () => {
    const home = await startServer({ conf: conf() });
    const other = await startServer({ conf: conf(`allow_origin ${home.url}\n`) });
    const email = newUser();
    const one = await openDevice({ email, token: home.devToken }, home);
    await one.put('a', 1);
    await one.put('b', 2);
    await one.sent();
    await one.remove('b');
    const move = () => one.run(async ({ url, token, email: address }) => {
        const login = (name, base, secret) => new Sync.DevAuthenticator(base + '/verify',
            new Sync.LocalStorage(name), secret);
        const here = { appName: 'test', authenticator: sync.authenticator };
        const there = { serverUrl: url, appName: 'test', authenticator: login('there::', url, token) };
        await sync.close();
        window.multi = new Sync.Multi([here, there], store);
        await multi.syncs[1].request({ email: address });
        sync = multi.syncs[0];
        await multi.syncNow();
        await multi.remove(multi.syncs[0]);
        sync = multi.syncs[0];
        await store.put(note('c', 3));
        await untilSent();
    }, { url: other.url, token: other.devToken, email });
    await assert.rejects(move(), /cannot be reached/);
    fs.appendFileSync(home.confFile, `document_connect ${other.url}\n`);
    home.signal('SIGHUP');
    await home.waitForLog(/reload: done/);
    await one.page.reload();
    await one.run((given) => openStore(given), one.options);
    await move();
    const two = await openDevice({ email, token: other.devToken }, other);
    await two.sees('a=1', 'c=3');
    await one.close();
    await two.close();
    await other.stop();
    await home.stop();
});

test('the React hooks render again when something changes', async () => {
    const one = await openDevice({ email: newUser() });
    const shows = (text) => one.page.waitForFunction(
        (wanted) => document.querySelector('#react').textContent === wanted, text);
    await one.put('a', 'milk');
    await one.sent();
    await one.page.addScriptTag({ url: '/hooks.js' });
    await one.run(() => { window.unmount = renderNotes(store, sync); });
    await shows('milk 0 true');
    await one.put('b', 'bread');
    await one.sent();
    await shows('milk,bread 0 true');
    await one.run(() => sync.logout());
    await shows('milk,bread 0 false');
    await one.run(() => unmount());
    await one.put('c', 'after it has gone');
    await one.close();
});

test('the ES module works in a page as the script does', async () => {
    const one = await openDevice({ email: newUser() });
    await one.put('a', 1);
    await one.sent();
    const texts = await one.run(async () => {
        const found = [];
        for (const file of ['/cutout-sync.js', '/cutout-sync.min.js']) {
            const { Sync: Module } = await import(file);
            const other = new Module.IndexedDBStore('test');
            found.push((await other.list('note')).map(({ data }) => data).join());
            other.close();
        }
        return found;
    });
    assert.deepEqual(texts, ['1', '1']);
    await one.close();
});
