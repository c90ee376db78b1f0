/* Clients that send a byte now and then, or read nothing: each ends at its deadline, with an answer
 * where there is anybody to answer, and the others notice nothing. */
'use strict';

const assert = require('node:assert/strict');
const { test, before, after } = require('node:test');
const { startServer, collection, login, RawConnection } = require('./lib/server.js');

let server;
let token;
let metric;

before(async () => {
    server = await startServer({ conf: 'header_timeout 1s\ntransfer_timeout 1s\nidle_timeout 1h\n' });
    token = await login(server, 'ann@example.org');
    metric = async (name) => {
        const { text } = await server.admin('/metrics');
        return Number(text.match(new RegExp(`^${name} (\\d+)$`, 'm'))[1]);
    };
});
after(() => server.stop());

const address = (bucket, query = '') => `/app.example/ann@example.org/${bucket}?auth=${token}${query}`;

/* Sends one byte of `bytes` after the other, each when the one before has been on the wire for a
 * while, until the server has had enough. */
function drip(connection, bytes) {
    let at = 0;
    const timer = setInterval(() => {
        if (at < bytes.length && !connection.socket.destroyed) connection.write(bytes[at++]);
    }, 50);
    connection.closed.then(() => clearInterval(timer));
}

function statusOf(text) {
    return text.match(/^HTTP\/1\.1 (\d+)/)[1];
}

test('a head that comes byte by byte is answered 408 and closed', async () => {
    const connection = new RawConnection(server.port);
    drip(connection, `GET /info HTTP/1.1\r\nHost: x\r\nOrigin: http://app.example\r\nX: ${'x'.repeat(4000)}`);
    const text = await connection.waitForClose();
    assert.equal(statusOf(text), '408');
    assert.match(text, /"error":"request_timeout"/);
    assert.match(text, /header_timeout|not complete after 1000 ms/);
    assert.match(text, /\r\nConnection: close\r\n/);
});

test('one that begins with empty lines for ever is cut off, too', async () => {
    const connection = new RawConnection(server.port);
    drip(connection, '\r\n'.repeat(2000));
    await connection.waitForClose();
});

test('a body that comes byte by byte is answered 408 and closed, and nothing of it is stored', async () => {
    const connection = new RawConnection(server.port);
    connection.write(`POST ${address('drip')} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n`);
    drip(connection, `[{"id":"a","type":"t","data":"${'x'.repeat(4000)}`);
    const text = await connection.waitForClose();
    assert.equal(statusOf(text), '408');
    assert.match(text, /"error":"request_timeout"/);
    assert.match(text, /\r\nConnection: close\r\n/);
    assert.deepEqual((await collection(server, { bucket: 'drip', token }).get()).json.objects, []);
});

test('a body that is slow but fast enough is taken', async () => {
    const connection = new RawConnection(server.port);
    const body = `[{"id":"a","type":"t","data":"${'x'.repeat(6000)}"}]`;
    connection.write(`POST ${address('steady')} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`);
    let at = 0;
    const timer = setInterval(() => {
        connection.write(body.slice(at, at += 200));
        if (at >= body.length) clearInterval(timer);
    }, 60); /* 3.3 KB a second, over more than transfer_timeout */
    await connection.waitFor(/object_counters/);
    assert.equal(statusOf(connection.received.text), '200');
    connection.destroy();
});

test('a body whose rest never comes ends, also when nobody wanted it', async () => {
    const connection = new RawConnection(server.port);
    connection.write('POST /app.example/ann@example.org/x HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n[');
    const text = await connection.waitForClose();
    assert.equal(statusOf(text), '401');
    assert.equal(text.match(/HTTP\/1\.1 /g).length, 1);
});

test('who does not read his answer is cut off, and counted', async () => {
    const notes = collection(server, { bucket: 'large', token });
    const line = { type: 't', data: 'x'.repeat(100000) };
    await notes.post({}, Array.from({ length: 12 }, (_, i) => ({ ...line, id: String(i) })));
    const connection = new RawConnection(server.port);
    connection.socket.pause();
    const ask = `GET ${address('large')} HTTP/1.1\r\nHost: x\r\n\r\n`;
    connection.write(ask.repeat(40)); /* more than the sockets' buffers hold */
    while (await metric('cutout_slow_readers_total') === 0) await server.request('GET', '/info');
    connection.socket.resume();
    const text = await connection.waitForClose();
    assert.ok(text.length < 40 * 1000000, `${text.length} bytes`);
});

test('what was cut off and is not closed by the client does not stay', async () => {
    const connection = new RawConnection(server.port, { allowHalfOpen: true });
    connection.write(`POST ${address('long')} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n`);
    await connection.waitFor(/^HTTP\/1\.1 413 [^]*\}/);
    while (await metric('cutout_connections_open') > 0);
    connection.destroy();
});

test('answers that nobody takes do not fill the memory: others are told to come later, and then served', async () => {
    const other = await startServer({ conf: 'max_body_memory 1m\nmax_post_bytes 1m\ntransfer_timeout 1s\n' });
    const notes = collection(other, { bucket: 'large' });
    await notes.post({}, Array.from({ length: 9 }, (_, i) => ({ id: String(i), type: 't', data: 'x'.repeat(100000) })));
    const readers = Array.from({ length: 12 }, () => {
        const connection = new RawConnection(other.port);
        connection.socket.pause();
        connection.write(`GET ${notes.path}?auth=${notes.token} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(40));
        return connection;
    });
    let refused;
    while (refused?.status !== 503) refused = await other.request('GET', '/info');
    assert.equal(refused.json.error, 'busy');
    assert.match(refused.json.message, /max_body_memory, 1048576/);
    assert.ok((await other.admin('/metrics')).text.includes('cutout_answer_memory_bytes'));
    while ((await other.request('GET', '/info')).status !== 200);
    for (const connection of readers) connection.socket.resume();
    await Promise.all(readers.map((connection) => connection.waitForClose()));
    const text = (await other.admin('/metrics')).text;
    assert.match(text, /^cutout_answer_memory_bytes 0$/m);
    assert.match(text, /^cutout_requests_shed_total [1-9]/m);
    await other.stop();
});

test('when there are all the connections there may be, idle ones give way', async () => {
    const other = await startServer({ conf: 'max_connections 16\n' });
    const idle = Array.from({ length: 16 }, () => new RawConnection(other.port));
    const served = new RawConnection(other.port);
    served.write('GET /info HTTP/1.1\r\nHost: x\r\n\r\n');
    await served.waitFor(/^HTTP\/1\.1 200 /);
    await Promise.all(idle.map((connection) => connection.waitForClose()));
    assert.match((await other.admin('/metrics')).text, /^cutout_connections_given_way_total 16$/m);
    served.destroy();
    await other.stop();
});

test('a connection that nobody uses is closed without a word; a held request is a use', async () => {
    const other = await startServer({ conf: 'header_timeout 1h\nidle_timeout 1s\n' });
    const notes = collection(other, { bucket: 'held' });
    await notes.post({}, [{ id: 'a', type: 't' }]);
    const held = new RawConnection(other.port);
    held.write(`GET ${notes.path}?auth=${notes.token}&since=1&wait=3 HTTP/1.1\r\nHost: x\r\n\r\n`);
    const connection = new RawConnection(other.port);
    assert.equal(await connection.waitForClose(), '');
    const used = new RawConnection(other.port);
    used.write('GET /info HTTP/1.1\r\nHost: x\r\n\r\n');
    const text = await used.waitForClose();
    assert.equal(text.match(/HTTP\/1\.1 /g).length, 1);
    assert.equal(held.received.text, '');
    await held.waitFor(/^HTTP\/1\.1 2/);
    held.destroy();
    await other.stop();
});
