/* TLS on a listener: the same server behind it, and nothing in the clear. */
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const https = require('node:https');
const net = require('node:net');
const tls = require('node:tls');
const { test, before, after } = require('node:test');
const { startServer, runToEnd, collection, login, raw, withDeadline } = require('./lib/server.js');
const { makeCertificate } = require('./lib/certificate.js');

let directory;
let authority;
let server;
let port;
let token;

const conf = (certificate = 'cert', key = 'key') => `tls_listen 127.0.0.1:0\n` +
    `tls_certificate ${directory}/${certificate}\ntls_key ${directory}/${key}\nheader_timeout 1s\n`;
const tlsPort = async (of) => Number((await of.waitForLog(/listening on 127\.0\.0\.1:(\d+) with TLS/))[1]);

before(async () => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-tls-'));
    authority = fs.readFileSync(makeCertificate(directory, 'DNS:localhost').ca);
    fs.chmodSync(path.join(directory, 'key'), 0o600);
    server = await startServer({ conf: conf(), expectErrors: [/nothing was changed: tls_certificate/] });
    port = await tlsPort(server);
    token = await login(server, 'ann@example.org');
});
after(async () => {
    await server.stop();
    fs.rmSync(directory, { recursive: true, force: true });
});

const options = (more) => ({ port, host: '127.0.0.1', servername: 'localhost', ca: authority, ...more });

/* One request by node's own client: { status, headers, body }. */
function ask(method, target, { body, headers, ...more } = {}) {
    return withDeadline(new Promise((resolve, reject) => {
        const request = https.request(options({ method, path: target, headers, agent: false, ...more }), (answer) => {
            const pieces = [];
            answer.on('data', (piece) => pieces.push(piece));
            answer.on('error', reject);
            answer.on('end', () => resolve({
                status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces),
                protocol: answer.socket.getProtocol?.(),
            }));
        });
        request.on('error', reject);
        request.end(body);
    }), `${method} ${target}`);
}

/* A connection by hand: what came, and how it ended. */
function connect(more = {}) {
    const socket = tls.connect(options(more));
    const all = { socket, text: '', session: null };
    socket.setEncoding('latin1');
    socket.on('data', (piece) => { all.text += piece; socket.emit('piece'); });
    socket.on('session', (session) => { all.session = session; socket.emit('piece'); });
    all.closed = withDeadline(new Promise((resolve) => {
        socket.once('error', (error) => { all.error = error; });
        socket.once('end', () => { all.ended = true; });
        socket.once('close', () => resolve(all));
    }), 'waiting for the end');
    all.until = async (is) => { while (!is(all)) await withDeadline(new Promise((go) => socket.once('piece', go)), `${is}`); };
    return all;
}

const address = (bucket, query = '') => `/app.example/ann@example.org/${bucket}?auth=${token}${query}`;

for (const version of ['TLSv1.2', 'TLSv1.3']) {
    test(`reads and appends over ${version}`, async () => {
        const only = { minVersion: version, maxVersion: version };
        const body = JSON.stringify([{ id: 'a', type: 't', data: 'x'.repeat(500000) }]);
        const bucket = version.replace('.', '');
        const answer = await ask('POST', address(bucket), { body, ...only });
        assert.equal(answer.status, 200, answer.body);
        const read = await ask('GET', address(bucket), only);
        assert.equal(JSON.parse(read.body).objects[0][1].data.length, 500000);
        assert.equal((await collection(server, { bucket, token }).get()).json.objects.length, 1);
    });
}

test('older versions are not spoken', async () => {
    for (const version of ['TLSv1', 'TLSv1.1'])
        await assert.rejects(ask('GET', '/info', { minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' }));
    await assert.rejects(ask('GET', '/info', { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:AES256-GCM-SHA384' }));
});

test('of what a client offers, HTTP/1.1 is taken; who offers nothing of ours is served', async () => {
    for (const [offered, chosen] of [[['h2', 'http/1.1'], 'http/1.1'], [['h2'], false]]) {
        const connection = connect({ ALPNProtocols: offered });
        await withDeadline(new Promise((go) => connection.socket.once('secureConnect', go)), 'handshake');
        assert.equal(connection.socket.alpnProtocol, chosen);
        connection.socket.destroy();
    }
});

test('a large blob goes up and down byte for byte, and in parts', async () => {
    const bytes = crypto.randomBytes(3 * 1024 * 1024 + 17);
    await collection(server, { bucket: 'files', token }).post({}, [{ id: 'f', type: 'file' }]);
    const sent = await ask('POST', `/app.example/ann@example.org/files/+static/?auth=${token}&type=file&id=f`,
        { body: bytes, headers: { 'Content-Type': 'application/octet-stream' } });
    assert.equal(sent.status, 201, sent.body);
    const { href } = JSON.parse(sent.body);
    assert.match(href, /^https:\/\/127\.0\.0\.1:/);
    const target = `${new URL(href).pathname}?auth=${token}`;
    const whole = await ask('GET', target);
    assert.equal(whole.headers['content-length'], String(bytes.length));
    assert.ok(whole.body.equals(bytes));
    const part = await ask('GET', target, { headers: { Range: 'bytes=1000000-2999999' } });
    assert.equal(part.status, 206);
    assert.ok(part.body.equals(bytes.subarray(1000000, 3000000)));
    assert.equal((await ask('HEAD', target)).headers['content-length'], String(bytes.length));
});

test('a reader who leaves in the middle of a blob leaves no descriptor behind', async () => {
    const large = crypto.randomBytes(8 * 1024 * 1024);
    await collection(server, { bucket: 'leave', token }).post({}, [{ id: 'f', type: 'file' }]);
    const { body } = await ask('POST', `/app.example/ann@example.org/leave/+static/?auth=${token}&type=file&id=f`,
        { body: large, headers: { 'Content-Type': 'image/png' } });
    const target = `${new URL(JSON.parse(body).href).pathname}?auth=${token}`;
    const open = () => fs.readdirSync(`/proc/${server.child.pid}/fd`).length;
    const before = open();
    for (let i = 0; i < 5; i++) {
        const connection = connect();
        connection.socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
        await connection.until((all) => all.text.length > 10000);
        connection.socket.destroy();
        await connection.closed;
    }
    while (open() > before) await server.request('GET', '/info');
});

test('requests in one piece are answered in order, and the end is told', async () => {
    const connection = connect();
    const one = 'GET /info HTTP/1.1\r\nHost: x\r\n\r\n';
    connection.socket.write(`${one}${one}${one.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}`);
    await connection.closed;
    assert.equal(connection.text.match(/HTTP\/1\.1 200/g).length, 3);
    assert.equal(connection.error, undefined);
    assert.equal(connection.ended, true, 'without close_notify it might have been cut');
});

test('a request that is refused and goes on is answered', async () => {
    const connection = connect();
    connection.socket.write(`POST ${address('long')} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n${'x'.repeat(100000)}`);
    await connection.closed;
    assert.match(connection.text, /^HTTP\/1\.1 413 /);
    assert.equal(connection.ended, true);
});

test('a held request is answered when there is news, and ends when its client goes', async () => {
    const notes = collection(server, { bucket: 'news', token });
    const counter = (await notes.post({}, [{ id: 'a', type: 't' }])).json.object_counters[0];
    const answer = ask('GET', address('news', `&since=${counter}&wait=50`));
    const idle = async () => (await server.admin('/metrics')).text.includes('cutout_requests_under_way 0');
    while (await idle());
    await notes.post({ since: counter }, [{ id: 'b', type: 't' }]);
    assert.equal(JSON.parse((await answer).body).objects[0][1].id, 'b');
    const connection = connect();
    connection.socket.write(`GET ${address('news', `&since=${counter + 1}&wait=50`)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    while (await idle());
    connection.socket.end();
    while (!await idle());
    connection.socket.destroy();
});

test('what is no TLS is closed', async () => {
    assert.doesNotMatch(await raw(port, 'GET /info HTTP/1.1\r\nHost: x\r\n\r\n'), /HTTP/);
});

test('a handshake that does not go on is closed; one that did may rest', async () => {
    const quiet = connect();
    await withDeadline(new Promise((go) => quiet.socket.once('secureConnect', go)), 'handshake');
    const slow = net.connect(port, '127.0.0.1');
    slow.write(Buffer.from([22, 3, 1, 2, 0, 1]));
    await withDeadline(new Promise((go) => slow.once('close', go)), 'closing'); /* after header_timeout */
    quiet.socket.write('GET /info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await quiet.closed;
    assert.match(quiet.text, /^HTTP\/1\.1 200 /);
});

test('broken records are the end of a connection and of nothing else', async () => {
    for (const bytes of [[22, 3, 1, 255, 255], [23, 3, 3, 0, 1, 7], [21, 3, 3, 0, 2, 2, 40], [0x80, 0x2e, 1, 0, 2]]) {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('error', () => {});
        socket.resume();
        socket.end(Buffer.from(bytes));
        await withDeadline(new Promise((go) => socket.once('close', go)), 'closing');
    }
    assert.equal((await ask('GET', '/info')).status, 200);
});

test('sessions are resumed, by other servers of the same secret too', async () => {
    const secret = path.join(directory, 'secret');
    const shared = `${conf()}dev_login off\ntoken_secret_file ${secret}\n`;
    const first = await startServer({ conf: shared });
    const second = await startServer({ conf: shared });
    const third = await startServer({ conf: conf() });
    const one = connect({ port: await tlsPort(first), maxVersion: 'TLSv1.2' });
    await one.until((all) => all.session);
    one.socket.destroy();
    const resume = async (of) => {
        const connection = connect({ port: await tlsPort(of), maxVersion: 'TLSv1.2', session: one.session });
        await withDeadline(new Promise((go) => connection.socket.once('secureConnect', go)), 'handshake');
        const reused = connection.socket.isSessionReused();
        connection.socket.destroy();
        return reused;
    };
    assert.deepEqual([await resume(first), await resume(second), await resume(third)], [true, true, false]);
    await Promise.all([first.stop(), second.stop(), third.stop()]);
});

test('behind a balancer its header comes before TLS', async () => {
    const other = await startServer({ conf: `${conf()}trusted_proxies 127.0.0.1\nproxy_protocol on\n` });
    const otherPort = await tlsPort(other);
    const preface = 'PROXY TCP4 192.0.2.77 192.0.2.78 1 2\r\n';
    for (const cut of [0, 5, preface.length]) {
        const socket = net.connect(otherPort, '127.0.0.1');
        socket.setNoDelay(true);
        socket.write(preface.slice(0, cut));
        await new Promise((go) => setImmediate(go));
        socket.write(preface.slice(cut));
        const connection = connect({ socket });
        connection.socket.write('GET /info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
        await connection.closed;
        assert.match(connection.text, /^HTTP\/1\.1 200 /);
    }
    await other.waitForLog(/info 192\.0\.2\.77 GET \/info 200/);
    await other.stop();
});

test('the client script is told the address with https', async () => {
    const { body } = await ask('GET', '/syncclient.js', { headers: { Host: 'localhost:8443' } });
    assert.match(body.toString(), /https:\/\/localhost:8443/);
});

test('a renewed certificate is taken at SIGHUP; a bad one changes nothing', async () => {
    const serial = async () => {
        const connection = connect({ rejectUnauthorized: false });
        await withDeadline(new Promise((go) => connection.socket.once('secureConnect', go)), 'handshake');
        const { serialNumber } = connection.socket.getPeerCertificate();
        connection.socket.destroy();
        return serialNumber;
    };
    const kept = connect();
    kept.socket.write('GET /info HTTP/1.1\r\nHost: x\r\n\r\n');
    await kept.until((all) => all.text.includes('}'));
    const first = await serial();
    const other = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-tls-'));
    const renewed = makeCertificate(other, 'DNS:localhost');
    fs.writeFileSync(path.join(directory, 'cert'), renewed.cert);
    server.signal('SIGHUP');
    await server.waitForLog(/reload: nothing was changed: tls_certificate, tls_key: .*key: no key of the certificate.*mismatch/);
    assert.equal(await serial(), first);
    fs.writeFileSync(path.join(directory, 'key'), renewed.key);
    server.signal('SIGHUP');
    await server.waitForLog(/reload: done/);
    assert.notEqual(await serial(), first);
    kept.socket.write('GET /info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await kept.closed;
    assert.equal(kept.text.match(/HTTP\/1\.1 200/g).length, 2);
    fs.rmSync(other, { recursive: true });
});

for (const [what, lines, said] of [
    ['no key', () => `tls_listen 127.0.0.1:0\ntls_certificate ${directory}/cert\n`, /tls_listen: needs tls_certificate and tls_key/],
    ['a file that is no certificate', () => conf('key'), /key: no certificate in PEM can be read \(/],
    ['a file that is not there', () => conf('none'), /none: .*No such file/i],
    ['a key that is none', () => conf('cert', 'ca.key'), /ca\.key: no key of the certificate/],
    ['a key that all may read', () => conf('cert', 'open'), /open: everybody can read/],
    ['dev_login on an open address', () => conf().replace('tls_listen 127.0.0.1', 'tls_listen *') + 'dev_login on\n',
        /dev_login: others can reach "tls_listen \*:0"/],
]) {
    test(`refused at the start: ${what}`, async () => {
        fs.copyFileSync(path.join(directory, 'key'), path.join(directory, 'open'));
        fs.chmodSync(path.join(directory, 'open'), 0o644);
        const result = await runToEnd(['-t'], { conf: `data_dir ${directory}/data\n${lines()}` });
        assert.notEqual(result.code, 0);
        assert.match(result.stderr, said);
    });
}
