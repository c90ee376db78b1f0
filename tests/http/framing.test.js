/* What two parsers could read differently is refused, and what follows on the connection never runs.
 * Each attack is followed by a marker: a second request that must not be answered. */
'use strict';

const assert = require('node:assert/strict');
const { test, before, after } = require('node:test');
const { startServer, collection, login, raw, RawConnection } = require('./lib/server.js');

let server;
let token;

before(async () => {
    server = await startServer();
    token = await login(server, 'ann@example.org');
});
after(() => server.stop());

const marker = 'GET /marker HTTP/1.1\r\nHost: x\r\n\r\n';
const post = (headers, body) =>
    `POST /app.example/ann@example.org/frame?auth=${token} HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n${body}`;

const attacks = {
    'two different lengths': () => post('Content-Length: 4\r\nContent-Length: 40', `[{}]${marker}`),
    'the same length twice': () => post('Content-Length: 4\r\nContent-Length: 4', `[{}]${marker}`),
    'a length with a sign': () => post('Content-Length: +4', `[{}]${marker}`),
    'a blank before the colon': () => post('Content-Length : 4', `[{}]${marker}`),
    'an unknown transfer encoding': () => post('Transfer-Encoding: xchunked', `4\r\n[{}]\r\n0\r\n\r\n${marker}`),
    'length and transfer encoding': () =>
        post('Content-Length: 4\r\nTransfer-Encoding: chunked', `4\r\n[{}]\r\n0\r\n\r\n${marker}`),
    'a transfer encoding with blanks': () =>
        post('Transfer-Encoding : chunked', `4\r\n[{}]\r\n0\r\n\r\n${marker}`),
    'a GET with a body': () =>
        `GET /info HTTP/1.1\r\nHost: x\r\nContent-Length: ${marker.length}\r\n\r\n${marker}`,
    'a control byte in a name': () => `GET /info HTTP/1.1\r\nHost: x\r\nA\x0bB: c\r\n\r\n${marker}`,
    'a blank line that is none': () => `GET /info HTTP/1.1\r\n\0X: y\r\nHost: x\r\n\r\n${marker}`,
    'no host': () => `GET /info HTTP/1.1\r\n\r\n${marker}`,
    'a version that nobody speaks': () => `GET /info HTTP/1.9\r\nHost: x\r\n\r\n${marker}`,
    'a control byte in the target': () => `GET /info\x1b[2J HTTP/1.1\r\nHost: x\r\n\r\n${marker}`,
    'a lone line feed': () => `GET /info HTTP/1.1\nHost: x\n\n${marker}`,
    'one lone line feed among others': () => `GET /info HTTP/1.1\r\nHost: x\nA: b\r\n\r\n${marker}`,
    'a lone carriage return': () => `GET /info HTTP/1.1\r\nHost: x\rA: b\r\n\r\n${marker}`,
    'a folded line': () => `GET /info HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n${marker}`,
    'a folded first line': () => `GET /info HTTP/1.1\r\n Host: x\r\n\r\n${marker}`,
    'an empty name': () => `GET /info HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n${marker}`,
    'a line without a colon': () => `GET /info HTTP/1.1\r\nHost: x\r\nabc\r\n\r\n${marker}`,
    'a NUL in a value': () => `GET /info HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n${marker}`,
    'a length in hex': () => post('Content-Length: 0x4', `[{}]${marker}`),
    'a list of lengths': () => post('Content-Length: 4, 4', `[{}]${marker}`),
    'a length of nothing': () => post('Content-Length:', `[{}]${marker}`),
    'a negative length': () => post('Content-Length: -4', `[{}]${marker}`),
    'a length beyond all numbers': () => post('Content-Length: 99999999999999999999', `[{}]${marker}`),
    'a length with a fraction': () => post('Content-Length: 4.0', `[{}]${marker}`),
    'two codings': () => post('Transfer-Encoding: gzip, chunked', `4\r\n[{}]\r\n0\r\n\r\n${marker}`),
    'chunked in capitals': () => post('TRANSFER-ENCODING: CHUNKED', `4\r\n[{}]\r\n0\r\n\r\n${marker}`),
    'a coding without a length': () => post('Transfer-Encoding: identity', `[{}]${marker}`),
    'a HEAD with a body': () =>
        `HEAD /info HTTP/1.1\r\nHost: x\r\nContent-Length: ${marker.length}\r\n\r\n${marker}`,
    'an OPTIONS with a body': () =>
        `OPTIONS /info HTTP/1.1\r\nHost: x\r\nContent-Length: ${marker.length}\r\n\r\n${marker}`,
    'a version of its own': () => `GET /info HTTP/2.0\r\nHost: x\r\n\r\n${marker}`,
    'no version': () => `GET /info\r\nHost: x\r\n\r\n${marker}`,
    'two blanks': () => `GET  /info HTTP/1.1\r\nHost: x\r\n\r\n${marker}`,
    'a tab for a blank': () => `GET\t/info HTTP/1.1\r\nHost: x\r\n\r\n${marker}`,
    'a blank behind the version': () => `GET /info HTTP/1.1 \r\nHost: x\r\n\r\n${marker}`,
    'a target that is no path': () => `GET info HTTP/1.1\r\nHost: x\r\n\r\n${marker}`,
    'a target for proxies': () => `CONNECT a:443 HTTP/1.1\r\nHost: x\r\n\r\n${marker}`,
    'two hosts': () => `GET /info HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n${marker}`,
};
for (const [name, make] of Object.entries(attacks)) {
    test(`refused and closed: ${name}`, async () => {
        const answer = await raw(server.port, make());
        assert.match(answer, /^HTTP\/1\.\d (400|411|501) /);
        assert.doesNotMatch(answer, /marker|HTTP\/1\.\d 404/);
        assert.equal(answer.match(/HTTP\/1\.\d \d/g).length, 1, answer);
    });
}

test('refused at whatever byte they are cut', async () => {
    for (const make of Object.values(attacks)) {
        const bytes = make();
        const end = bytes.indexOf('marker');
        const statuses = new Set();
        await Promise.all(Array.from({ length: end }, async (_, at) => {
            const connection = new RawConnection(server.port);
            connection.socket.setNoDelay(true);
            connection.socket.once('connect', () => {
                connection.write(Buffer.from(bytes.slice(0, at), 'latin1'));
                setImmediate(() => connection.write(Buffer.from(bytes.slice(at), 'latin1')));
            });
            const text = await connection.waitForClose();
            statuses.add(text.match(/HTTP\/1\.\d \d+/g)?.join());
        }));
        assert.equal(statuses.size, 1, `${JSON.stringify(bytes)}: ${[...statuses]}`);
    }
});

test('chunked bodies are not taken', async () => {
    const answer = await raw(server.port, post('Transfer-Encoding: chunked', `4\r\n[{}]\r\n0\r\n\r\n${marker}`));
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.doesNotMatch(answer, /marker/);
});

test('nothing of these attacks was stored', async () => {
    const answer = await collection(server, { bucket: 'frame', token }).get();
    assert.deepEqual(answer.json, { objects: [] });
});

test('pipelined requests are answered in order', async () => {
    const one = 'GET /info HTTP/1.1\r\nHost: x\r\n\r\n';
    const answer = await raw(server.port,
        `${one}${marker}${one.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}`);
    assert.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200']);
});

test('empty lines before a request are nothing, however they come', async () => {
    const request = 'GET /info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    assert.match(await raw(server.port, `\r\n\r\n\r\n${request}`), /^HTTP\/1\.1 200 /);
    const connection = new RawConnection(server.port);
    connection.socket.setNoDelay(true);
    connection.write('\r\n\r\n\r');
    const pieces = ['\n', '\r', `\n${request.slice(0, 3)}`, request.slice(3)];
    const next = () => { if (pieces.length) connection.socket.write(pieces.shift(), () => setImmediate(next)); };
    next();
    assert.match(await connection.waitForClose(), /^HTTP\/1\.1 200 /);
});

test('headers without an end are refused when they are too long', async () => {
    const answer = await raw(server.port, `GET /info HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20000)}`);
    assert.match(answer, /^HTTP\/1\.1 431 /);
});

const held = () => `GET /app.example/ann@example.org/held?auth=${token}&wait=50 HTTP/1.1\r\nHost: x\r\n\r\n`;

test('a held request is answered when the client asks for more, and then that is', async () => {
    const connection = new RawConnection(server.port);
    connection.write(held());
    while ((await server.admin('/metrics')).text.includes('cutout_requests_under_way 0')); /* it is held */
    connection.write(`GET /info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    const text = await connection.waitForClose();
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200']);
});

for (const leave of ['end', 'resetAndDestroy']) {
    test(`a held request whose client leaves (${leave}) ends`, async () => {
        const connection = new RawConnection(server.port, { allowHalfOpen: true });
        connection.write(held());
        while ((await server.admin('/metrics')).text.includes('cutout_requests_under_way 0'));
        connection.socket[leave]();
        while (!(await server.admin('/metrics')).text.includes('cutout_requests_under_way 0'));
        connection.destroy();
    });
}

test('headers beyond max_header_bytes are refused', async () => {
    const answer = await raw(server.port,
        `GET /info HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20000)}\r\n\r\n`);
    assert.doesNotMatch(answer, / 200 /);
});

test('a client that leaves in the middle of anything does no harm', async () => {
    const request = post('Content-Length: 100', '[{"id":1,');
    await Promise.all(Array.from({ length: 20 }, (_, i) =>
        raw(server.port, request.slice(0, 10 + i * 7), { until: /^/ })));
    const held = `GET /app.example/ann@example.org/held?auth=${token}&wait=50 HTTP/1.1\r\nHost: x\r\n\r\n`;
    await Promise.all(Array.from({ length: 20 }, () => raw(server.port, held, { until: /^/ })));
    assert.equal((await server.request('GET', '/info')).status, 200);
});
