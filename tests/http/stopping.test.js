/* Stopping and reloading a server that is in use. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { after, test } = require('node:test');
const { startServer, collection, withDeadline } = require('./lib/server.js');

/* More than all socket buffers on the way take, so that the server cannot be done with it. */
const BIG = 30_000_000;

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-root-'));
fs.writeFileSync(path.join(root, 'big.bin'), Buffer.alloc(BIG, 'x'));
after(() => fs.rmSync(root, { recursive: true, force: true }));

/* A client that asks for the big file and reads nothing more than the headers until it is told to. */
async function slowDownload(server) {
    const socket = net.connect(server.port, '127.0.0.1');
    const slow = { bytes: 0, socket };
    socket.on('error', () => {}); /* a reset is an end; 'close' follows */
    slow.ended = new Promise((resolve) => socket.once('close', () => resolve(slow.bytes)));
    socket.write('GET /big.bin HTTP/1.1\r\nHost: app.example\r\n\r\n');
    const head = await withDeadline(new Promise((resolve) => socket.once('data', resolve)), 'head');
    socket.pause();
    slow.bytes = head.length - head.indexOf('\r\n\r\n') - 4;
    slow.readOn = () => {
        socket.on('data', (data) => { slow.bytes += data.length; });
        socket.resume();
        return withDeadline(slow.ended, 'the end of the download');
    };
    return slow;
}

const serveRoot = (more = '') => startServer({ conf: `document_root ${root}\n${more}` });
const wellEnded = { code: 0, signal: null };

test('SIGTERM and a reload before it let a download come to its end', async () => {
    const server = await serveRoot();
    const slow = await slowDownload(server);
    server.signal('SIGHUP');
    await server.waitForLog(/reload: done/);
    server.signal('SIGTERM');
    await server.waitForLog(/stopping: 1 requests under way/);
    assert.equal(await slow.readOn(), BIG);
    assert.deepEqual(await withDeadline(server.exited, 'the end'), wellEnded);
});

test('a server that stops takes no new connections and is not ready', async () => {
    const server = await serveRoot();
    const slow = await slowDownload(server);
    server.signal('SIGTERM');
    await server.waitForLog(/stopping/);
    await assert.rejects(server.request('GET', '/info'), { code: 'ECONNREFUSED' });
    const ready = await server.admin('/ready');
    assert.equal(ready.status, 503);
    assert.deepEqual(ready.json, { status: 'not ready', reason: 'draining' });
    assert.equal((await server.admin('/health')).status, 200);
    await slow.readOn();
});

test('a client that reads no answer cannot fill the memory with what it sends', async () => {
    const server = await serveRoot();
    const notes = collection(server);
    const { json } = await notes.post({}, [{ id: 'a' }]);
    const slow = await slowDownload(server);
    /* More than the sockets' buffers hold; what the server takes of it is in its memory. */
    const piece = Buffer.alloc(1 << 20);
    for (let i = 0; i < 100; i++) slow.socket.write(piece);
    /* The server's own clock: by then it has long taken all that it will take. */
    await notes.get({ since: 1, collection_id: json.collection_id, wait: 2 });
    const taken = slow.socket.bytesWritten - slow.socket.writableLength;
    slow.socket.destroy();
    assert.ok(taken < 50 << 20, `it took ${taken} bytes`);
});

test('a second SIGTERM cuts off what is under way', async () => {
    const server = await serveRoot();
    const slow = await slowDownload(server);
    server.signal('SIGTERM');
    await server.waitForLog(/stopping/);
    server.signal('SIGTERM');
    assert.deepEqual(await withDeadline(server.exited, 'the end'), wellEnded);
    assert.match(server.stderr, /stopping: 1 requests were cut off/);
    assert.ok(await slow.readOn() < BIG);
});

test('SIGHUPs that come while it stops do no harm', async () => {
    const server = await serveRoot(); /* the big file makes the first reload last a while */
    for (const name of ['SIGSTOP', 'SIGTERM', 'SIGHUP', 'SIGCONT']) server.signal(name);
    for (let i = 0; i < 20; i++) {
        await fs.promises.stat(root);
        server.signal('SIGHUP');
    }
    const end = await withDeadline(server.exited, 'the end');
    server.checkLog();
    assert.deepEqual(end, wellEnded);
});

test('drain_timeout ends the waiting', async () => {
    const server = await serveRoot('drain_timeout 50ms');
    await slowDownload(server);
    server.signal('SIGTERM');
    assert.deepEqual(await withDeadline(server.exited, 'the end'), wellEnded);
});

test('SIGTERM answers held reads at once', async () => {
    const server = await startServer();
    const notes = collection(server);
    await notes.post({}, [{ id: 'a' }]);
    const held = notes.get({ since: 1, wait: 50 });
    await heldIsUnderWay(server);
    server.signal('SIGTERM');
    const answer = await held;
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get?.('connection') ?? answer.headers.connection, 'close');
    assert.deepEqual(await withDeadline(server.exited, 'the end'), wellEnded);
});

/* Asks until it is: there is no event to wait for. */
async function heldIsUnderWay(server) {
    const holds = ({ json }) => json.tasks.some((task) => task.kind === 'read');
    while (!holds(await server.admin('/status')));
}

test('POST /drain stops the server, but not for a page', async () => {
    const server = await startServer();
    const headers = { Origin: 'http://evil.example' };
    assert.equal((await server.admin('/drain', { method: 'POST', headers })).status, 403);
    assert.equal((await server.admin('/ready')).status, 200);
    const answer = await server.admin('/drain', { method: 'POST' });
    assert.deepEqual(answer.json, { status: 'draining' });
    assert.deepEqual(await withDeadline(server.exited, 'the end'), wellEnded);
});

test('what was stored before a stop is there after the next start', async () => {
    const server = await startServer();
    const notes = collection(server);
    await notes.post({}, [{ id: 'a' }]);
    await server.restart();
    notes.token = undefined;
    assert.deepEqual((await notes.get()).json.objects, [[1, { id: 'a' }]]);
    assert.doesNotMatch(server.log.text, /replayed/);
});

test('SIGUSR1 goes on in a new log file', async () => {
    const log = path.join(root, 'server.log');
    const settings = `listen 127.0.0.1:0\nadmin_listen 127.0.0.1:0\n`;
    const server = await startServer({ conf: settings });
    fs.appendFileSync(server.confFile, `log_file ${log}\n`);
    server.signal('SIGHUP');
    await appears(log, /reload: done/);
    fs.renameSync(log, `${log}.1`);
    server.signal('SIGUSR1');
    await appears(log, /the log goes on here/);
});

/* Resolves when the file exists and matches. */
function appears(file, pattern) {
    const matches = () => fs.existsSync(file) && pattern.test(fs.readFileSync(file, 'utf8'));
    return withDeadline(new Promise((resolve) => {
        const watcher = fs.watch(path.dirname(file), check);
        function check() {
            if (!matches()) return;
            watcher.close();
            resolve();
        }
        check();
    }), `${pattern} in ${file}`);
}
