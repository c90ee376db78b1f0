/* Behind a balancer of TCP connections: whom it speaks for counts, and nobody else is believed. */
'use strict';

const assert = require('node:assert/strict');
const { test, before, after } = require('node:test');
const { startServer, runToEnd, raw, RawConnection } = require('./lib/server.js');

const balancer = 'trusted_proxies 127.0.0.0/8\nproxy_protocol on\nmax_connections_per_address 2\n' +
    'header_timeout 1s\nidle_timeout 3s\ntrusted_user_header X-User\ndev_login off\nlog_level info\n';
const get = 'GET /info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const text = (source) => `PROXY TCP${source.includes(':') ? 6 : 4} ${source} ${source} 1234 80\r\n`;
const signature = '\r\n\r\n\0\r\nQUIT\n';
const binary = (...bytes) => Buffer.from(`${signature}\x21\x11\0\x0c${String.fromCharCode(...bytes)}\x01\0\x01\xbb`, 'latin1');

let server;

before(async () => { server = await startServer({ conf: balancer }); });
after(() => server.stop());

const metric = async (name) =>
    Number((await server.admin('/metrics')).text.match(new RegExp(`^${name} (\\d+)$`, 'm'))[1]);
const isServed = (answer) => assert.match(answer, /^HTTP\/1\.1 200 /);

test('the client is who the balancer says, in the log too', async () => {
    isServed(await raw(server.port, text('192.0.2.7') + get));
    await server.waitForLog(/info 192\.0\.2\.7 GET \/info 200/);
    isServed(await raw(server.port, text('2001:db8::7') + get));
    await server.waitForLog(/info 2001:db8::7 GET \/info 200/);
    isServed(await raw(server.port, Buffer.concat([binary(198, 51, 100, 9, 10, 0, 0, 1), Buffer.from(get)])));
    await server.waitForLog(/info 198\.51\.100\.9 GET \/info 200/);
});

test('one that comes in pieces is waited for', async () => {
    const all = text('192.0.2.8') + get;
    for (const at of [1, 6, 20, all.indexOf('\n'), all.indexOf('\n') + 1, all.indexOf('\n') + 9]) {
        const connection = new RawConnection(server.port);
        connection.socket.setNoDelay(true);
        connection.socket.once('connect', () => {
            connection.write(all.slice(0, at));
            setImmediate(() => connection.write(all.slice(at)));
        });
        isServed(await connection.waitForClose());
    }
});

test('a balancer that asks for itself, or does not know, is served', async () => {
    isServed(await raw(server.port, Buffer.from(`${signature}\x20\0\0\0${get}`, 'latin1')));
    isServed(await raw(server.port, `PROXY UNKNOWN\r\n${get}`));
    await server.waitForLog(/info unknown GET \/info 200/);
});

test('without a header, with a bad one, or with none in time it is closed without a word, and logged', async () => {
    const before = await metric('cutout_bad_proxy_headers_total');
    assert.equal(await raw(server.port, get), '');
    assert.equal(await raw(server.port, `PROXY TCP4 192.0.2.1\r\n${get}`), '');
    assert.equal(await metric('cutout_bad_proxy_headers_total'), before + 2);
    await server.waitForLog(/connection refused: 127\.0\.0\.1 is in trusted_proxies, and proxy_protocol is on, but/);
    assert.equal(await raw(server.port, ''), '');
    assert.equal(await raw(server.port, 'PROXY TCP4'), '');
});

test('a second one is a request that is none', async () => {
    assert.match(await raw(server.port, text('192.0.2.7') + text('192.0.2.8') + get), /^HTTP\/1\.1 400 /);
});

test('whom it speaks for is not believed what the balancer would be', async () => {
    const ask = (preface) => raw(server.port, `${preface}GET /app.example/ann@example.org/x HTTP/1.1\r\nHost: x\r\n` +
        'X-User: ann@example.org/app.example\r\nConnection: close\r\n\r\n');
    assert.match(await ask(text('192.0.2.7')), /^HTTP\/1\.1 401 /);
    assert.match(await ask('PROXY UNKNOWN\r\n'), /^HTTP\/1\.1 401 /);
    assert.match(await ask(text('127.0.0.9')), /^HTTP\/1\.1 200 /);
});

test('an address has as many connections as it may have, and others are not the worse for it', async () => {
    const before = await metric('cutout_connections_refused_by_address_total');
    const open = async (source) => {
        const connection = new RawConnection(server.port);
        connection.write(`${text(source)}GET /info HTTP/1.1\r\nHost: x\r\n\r\n`);
        await connection.waitFor(/^HTTP\/1\.1 200 /);
        return connection;
    };
    const held = [await open('203.0.113.5'), await open('203.0.113.5'), await open('2001:db8:1:2::1'),
        await open('2001:db8:1:2::2')];
    assert.equal(await raw(server.port, text('203.0.113.5') + get), '');
    assert.equal(await raw(server.port, text('2001:db8:1:2::3') + get), '');
    assert.equal(await metric('cutout_connections_refused_by_address_total'), before + 2);
    await server.waitForLog(/connection refused: 203\.0\.113\.5 has 2 connections already \(max_connections_per_address\)/);
    isServed(await raw(server.port, text('203.0.113.6') + get));
    isServed(await raw(server.port, text('2001:db8:1:3::1') + get));
    held[0].destroy();
    let answer = '';
    while (answer === '') answer = await raw(server.port, text('203.0.113.5') + get);
    isServed(answer);
    for (const connection of held) connection.destroy();
});

test('the admin side does not speak it', async () => {
    assert.equal((await server.admin('/health')).status, 200);
});

test('who is no balancer sends no header', async () => {
    const other = await startServer({ conf: 'trusted_proxies 192.0.2.1\nproxy_protocol on\n' });
    isServed(await raw(other.port, get));
    assert.match(await raw(other.port, text('192.0.2.7') + get), /^HTTP\/1\.1 400 /);
    await other.stop();
});

test('proxy_protocol without trusted_proxies is an error of the conf', async () => {
    const result = await runToEnd(['-t'], { conf: 'data_dir /tmp/x\nlisten 127.0.0.1:0\nproxy_protocol on\n' });
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /proxy_protocol: say in trusted_proxies who speaks it/);
});
