/* Bodies: taken when a request wants them, and no earlier. */
'use strict';

const assert = require('node:assert/strict');
const { test, before, after } = require('node:test');
const { startServer, collection, login, raw, RawConnection } = require('./lib/server.js');

const MEGA = 1024 * 1024;
let server;
let token;

before(async () => {
    server = await startServer({ conf: 'max_body_memory 2m\nmax_post_bytes 1m\nmax_object_bytes 1m\n' });
    token = await login(server, 'ann@example.org');
});
after(() => server.stop());

const head = (method, target, ...lines) =>
    `${[`${method} ${target} HTTP/1.1`, 'Host: x', ...lines].join('\r\n')}\r\n\r\n`;
const address = (bucket, query = '') => `/app.example/ann@example.org/${bucket}?auth=${token}${query}`;
const post = (bucket, body, ...lines) => postSince('', bucket, body, ...lines);
const postSince = (since, bucket, body, ...lines) =>
    head('POST', address(bucket, since), `Content-Length: ${body.length}`, ...lines) + body;
const objectOf = (id) => JSON.stringify([{ id, type: 't', data: id }]);
const statuses = (text) => (text.match(/HTTP\/1\.1 \d+/g) ?? []).map((line) => Number(line.slice(9)));
const idsIn = async (bucket) =>
    (await collection(server, { bucket, token }).get()).json.objects.map(([, object]) => object.id).sort();

test('"go on" is said to those whose login and size are right, and then the body is taken', async () => {
    const body = objectOf('a');
    const connection = new RawConnection(server.port);
    connection.write(head('POST', address('expect'), `Content-Length: ${body.length}`, 'Expect: 100-continue'));
    await connection.waitFor(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    connection.write(body);
    await connection.waitFor(/\r\n\r\nHTTP\/1\.1 200 [^]*object_counters/);
    connection.destroy();
});

test('"go on" is said once, however long the body is', async () => {
    const body = JSON.stringify([{ id: 'a', type: 't', data: 'x'.repeat(300000) }]);
    const connection = new RawConnection(server.port);
    connection.write(head('POST', address('expect2'), `Content-Length: ${body.length}`, 'Expect: 100-continue'));
    await connection.waitFor(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    for (let at = 0; at < body.length; at += 50000) {
        await new Promise((go) => { connection.socket.write(body.slice(at, at + 50000), go); });
        await server.request('GET', '/info'); /* so that it is taken in pieces */
    }
    await connection.waitFor(/object_counters/);
    assert.deepEqual(statuses(connection.received.text), [100, 200]);
    connection.destroy();
});

for (const [what, status, target, length] of [
    ['who is not logged in', 401, '/app.example/ann@example.org/expect', 5],
    ['a file', 405, '/nothing', 5],
    ['what is too long', 413, null, 2 * MEGA],
]) {
    test(`"go on" is not said for ${what}: ${status}, and the connection ends`, async () => {
        const text = await raw(server.port, head('POST', target ?? address('expect'),
            `Content-Length: ${length}`, 'Expect: 100-continue'));
        assert.deepEqual(statuses(text), [status]);
        assert.match(text, /\r\nConnection: close\r\n/);
    });
}

test('whoever has sent the body already is not told to go on', async () => {
    const text = await raw(server.port, post('expect', objectOf('b'), 'Expect: 100-continue', 'Connection: close'));
    assert.deepEqual(statuses(text), [200]);
});

test('another expectation is answered 417', async () => {
    const text = await raw(server.port, post('expect', objectOf('c'), 'Expect: a-miracle'));
    assert.deepEqual(statuses(text), [417]);
    assert.match(text, /"error":"expectation_failed"/);
});

test('a body too long is answered at once, and the answer arrives while more of it comes', async () => {
    const connection = new RawConnection(server.port);
    connection.write(head('POST', address('long'), `Content-Length: ${200 * MEGA}`));
    const rest = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    const more = () => {
        while (sent < 200 * MEGA && !connection.socket.destroyed) {
            sent += rest.length;
            if (!connection.socket.write(rest)) break;
        }
    };
    connection.socket.on('drain', more);
    more();
    await connection.waitFor(/"error":"too_large"/);
    assert.match(connection.received.text, /\r\nConnection: close\r\n/);
    assert.deepEqual(statuses(connection.received.text), [413]);
    connection.destroy();
});

test('a short body that nobody wants is skipped, and the connection stays', async () => {
    const body = head('GET', '/secret');
    const text = await raw(server.port, head('POST', '/nothing', `Content-Length: ${body.length}`) + body +
        head('GET', '/info', 'Connection: close'));
    assert.deepEqual(statuses(text), [405, 200]);
});

test('one that comes later, in pieces, too', async () => {
    const connection = new RawConnection(server.port);
    connection.write(`${head('POST', '/nothing', 'Content-Length: 6')}abc`);
    await connection.waitFor(/^HTTP\/1\.1 405 [^]*\}/);
    connection.write('def');
    connection.write(head('GET', '/info', 'Connection: close'));
    assert.deepEqual(statuses(await connection.waitForClose()), [405, 200]);
});

test('appends in one piece are done one after the other', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e'];
    const text = await raw(server.port, ids.map((id, i) =>
        postSince(i > 0 ? `&since=${i}` : '', 'train', objectOf(id), ...(i === 4 ? ['Connection: close'] : []))).join(''));
    assert.deepEqual(statuses(text), [200, 200, 200, 200, 200]);
    assert.deepEqual(await idsIn('train'), ids);
});

test('it is the same at whatever byte a request is cut', async () => {
    const first = post('cut', objectOf('x'));
    const all = first + head('GET', address('cut'), 'Connection: close');
    const seen = new Set();
    for (let at = 1; at < all.length; at += 7) {
        const batch = [];
        for (let place = at; place < Math.min(at + 7, all.length); place++) {
            const connection = new RawConnection(server.port);
            connection.socket.setNoDelay(true);
            connection.socket.once('connect', () => {
                connection.write(all.slice(0, place));
                setImmediate(() => connection.write(all.slice(place)));
            });
            batch.push(connection.waitForClose());
        }
        for (const text of await Promise.all(batch)) seen.add(statuses(text).join());
    }
    assert.deepEqual([...seen], ['200,200']);
});

test('a client that has closed its side gets the answers to all it has asked', async () => {
    const connection = new RawConnection(server.port, { allowHalfOpen: true });
    connection.socket.end(post('half', objectOf('a')) + head('GET', '/info'));
    assert.deepEqual(statuses(await connection.waitForClose()), [200, 200]);
    assert.deepEqual(await idsIn('half'), ['a']);
});

test('one that closes in the middle of a body stores nothing', async () => {
    const connection = new RawConnection(server.port);
    connection.socket.end(post('broken', objectOf('a')).slice(0, -1));
    await connection.waitForClose();
    assert.deepEqual(await idsIn('broken'), []);
});

test('more bodies at a time than there is memory for are refused with 503, and later taken', async () => {
    const body = JSON.stringify([{ id: 'a', type: 't', data: 'x'.repeat(900000) }]);
    const request = post('crowd', body);
    const connections = [];
    for (let i = 0; i < 2; i++) { /* all but the last byte */
        const connection = new RawConnection(server.port);
        connection.write(head('POST', address('crowd'), `Content-Length: ${body.length}`, 'Expect: 100-continue'));
        await connection.waitFor(/100 Continue/);
        connection.write(body.slice(0, -1));
        connections.push(connection);
    }
    const text = await raw(server.port, request, { until: /"error":"[^]*\}/ });
    assert.deepEqual(statuses(text), [503]);
    assert.match(text, /"error":"busy"[^]*max_body_memory/);
    assert.match(text, /\r\nRetry-After: \d+\r\n/);
    for (const connection of connections) {
        connection.write(body.slice(-1));
        await connection.waitFor(/HTTP\/1\.1 200 [^]*object_counters/);
        connection.destroy();
    }
    const again = await raw(server.port, post('crowd', body, 'Connection: close'));
    assert.deepEqual(statuses(again), [200]);
});

test('headers too long are answered 431 as everything is: JSON, and readable by pages', async () => {
    const text = await raw(server.port,
        head('GET', '/info', 'Origin: http://app.example', `X-Long: ${'x'.repeat(20000)}`));
    assert.deepEqual(statuses(text), [431]);
    assert.match(text, /"error":"headers_too_large"/);
    assert.match(text, /\r\nConnection: close\r\n/);
});
