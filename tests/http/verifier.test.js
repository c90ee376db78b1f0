/* Logging in by BrowserID with a verifier on the network: what it is asked, what is believed of its
 * answers, and that a bad one holds up nobody. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { makeCertificate } = require('./lib/certificate.js');
const { startServer, collection, runToEnd, RawConnection, withDeadline } = require('./lib/server.js');
const { listen, startVerifier, json, verify: verifyAt } = require('./lib/verifier.js');

const AUDIENCE = 'https://app.example';
const ASSERTION = 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln~eyJhbGciOiJSUzI1NiJ9.e30.c2ln+/= &%';
const IN_AN_HOUR = () => Date.now() + 3600_000;
const good = () => ({ status: 'okay', email: 'Ann@Example.org', audience: AUDIENCE,
    expires: IN_AN_HOUR(), issuer: 'login.example' });

const startWith = (url, more = '') => startServer({
    conf: `dev_login off\nverifier ${url}/verify\n${more}` });

const verify = (server, assertion = ASSERTION, audience = AUDIENCE) =>
    verifyAt(server, assertion, audience);

async function withVerifier(handler, action, more) {
    const verifier = await startVerifier(handler);
    const server = await startWith(verifier.url, more);
    try {
        await action(server, verifier);
        await server.stop();
    } finally {
        verifier.server.closeAllConnections();
        verifier.server.close();
    }
}

test('a good assertion gives a token that lets in', () => withVerifier(json(good()),
    async (server, { asked }) => {
        const { status, json: answer } = await verify(server);
        assert.equal(status, 200);
        assert.equal(answer.status, 'okay');
        assert.deepEqual([answer.email, answer.audience, answer.issuer],
            ['Ann@example.org', AUDIENCE, 'login.example']);
        const [{ method, url, headers, body }] = asked;
        assert.deepEqual([method, url], ['POST', '/verify']);
        assert.equal(headers['content-type'], 'application/x-www-form-urlencoded');
        const form = new URLSearchParams(body);
        assert.deepEqual([form.get('assertion'), form.get('audience')], [ASSERTION, AUDIENCE]);
        const notes = collection(server, { email: 'Ann@example.org', token: answer.auth.query.auth });
        assert.equal((await notes.post({ since: 0 }, [{ id: 1 }])).status, 200);
        assert.match(server.stderr, /login: Ann@example\.org .*vouched for by login\.example/);
        assert.doesNotMatch(server.stderr, /eyJhbGci/);
    }));

test('a client that goes away while the verifier thinks takes its question back', async () => {
    let arrived;
    let left;
    const wasAsked = new Promise((resolve) => { arrived = resolve; });
    const wasLeft = new Promise((resolve) => { left = resolve; });
    await withVerifier((response) => {
        response.on('close', left);
        arrived();
    }, async (server) => {
        const client = new RawConnection(server.port);
        const body = new URLSearchParams({ assertion: ASSERTION, audience: AUDIENCE }).toString();
        client.write(`POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n` +
            `Content-Type: application/x-www-form-urlencoded\r\n\r\n${body}`);
        await withDeadline(wasAsked, 'the question');
        client.socket.resetAndDestroy();
        await withDeadline(wasLeft, 'the end of the question');
        assert.equal((await server.request('GET', '/info')).status, 200);
    }, 'login_timeout 1m\n');
});

test('a hundred logins that hang hold up nobody', () => withVerifier(() => {}, async (server, { asked }) => {
    const logins = Array.from({ length: 100 }, () => verify(server).catch(() => null));
    while (asked.length < 64) await server.request('GET', '/info'); /* max_login_requests */
    for (let i = 0; i < 200; i++) assert.equal((await server.request('GET', '/info')).status, 200);
    const statuses = (await Promise.all(logins)).map((answer) => answer.status);
    assert.deepEqual([...new Set(statuses)], [503]);
}, 'login_timeout 2s\nlogins_per_address 0\n'));

test('what a verifier refuses is refused, in its words', () => withVerifier(
    json({ status: 'failure', reason: 'assertion has expired' }), async (server) => {
        const { status, json: answer } = await verify(server);
        assert.equal(status, 200);
        assert.deepEqual(answer, { status: 'failure', reason: 'assertion has expired' });
    }));

/* Okay, but not for this. */
const lies = {
    'for another audience': { audience: 'https://other.example' },
    'for another port': { audience: `${AUDIENCE}:444` },
    'for another scheme': { audience: 'http://app.example' },
    'that has expired': { expires: Date.now() - 1000 },
};
for (const [name, change] of Object.entries(lies)) {
    test(`an assertion ${name} is refused`, () => withVerifier(json({ ...good(), ...change }),
        async (server) => {
            const { status, json: answer } = await verify(server);
            assert.equal(status, 200);
            assert.equal(answer.status, 'failure');
            assert.equal(answer.auth, undefined);
        }));
}

const { status: okay, ...withoutStatus } = good();
const unusable = {
    'no JSON': '<html>',
    'an array': [good()],
    'no status': withoutStatus,
    'no e-mail address': { ...good(), email: undefined },
    'an e-mail address with a line break': { ...good(), email: 'ann@example.org\nx@y.z' },
    'an e-mail address with NUL': { ...good(), email: 'ann@example.org\u0000' },
    'an e-mail address that is none': { ...good(), email: '../ann' },
    'no audience': { ...good(), audience: undefined },
    'no end': { ...good(), expires: undefined },
    'an end that is a text': { ...good(), expires: String(IN_AN_HOUR()) },
    'a negative end': { ...good(), expires: -1 },
    'two e-mail addresses': JSON.stringify(good()).replace('"email"', '"email":"eve@x.org","email"'),
    'a very long issuer': { ...good(), issuer: 'x'.repeat(300) },
    'nothing': '',
};
for (const [name, answer] of Object.entries(unusable)) {
    test(`a verifier whose answer has ${name}`, () => withVerifier(json(answer), async (server) => {
        const { status, json: said, headers } = await verify(server);
        assert.equal(status, 503);
        assert.equal(said.error, 'busy');
        assert.match(said.message, /verifier/);
        assert.ok(Number(headers['retry-after']) > 0);
    }));
}

/* None of these holds up another request, and each ends within the time. */
const hostile = {
    'answers 500': (response) => { response.statusCode = 500; json(good())(response); },
    'sends elsewhere': (response) => {
        response.writeHead(302, { Location: 'http://127.0.0.1:1/' });
        response.end();
    },
    'never answers': () => {},
    'answers drop by drop': (response) => {
        response.write('{');
        response.timer = setInterval(() => response.write(' '), 20).unref();
        response.on('close', () => clearInterval(response.timer));
    },
    'never stops': (response) => {
        const more = () => { while (response.write(' '.repeat(65536))) { /* until it is full */ } };
        response.on('drain', more);
        more();
    },
    'hangs up': (response) => response.destroy(),
};
for (const [name, handler] of Object.entries(hostile)) {
    test(`a verifier that ${name} holds up nobody`, () => withVerifier(handler, async (server) => {
        const waiting = verify(server);
        for (let i = 0; i < 20; i++) assert.equal((await server.request('GET', '/info')).status, 200);
        const { status, json: said, headers } = await waiting;
        assert.equal(status, 503);
        assert.match(said.message, /verifier/);
        assert.ok(Number(headers['retry-after']) > 0);
    }, 'login_timeout 300ms\n'));
}

test('a verifier that is not there', async () => {
    const probe = net.createServer();
    const url = await listen(probe);
    await new Promise((resolve) => probe.close(resolve));
    const server = await startWith(url);
    assert.equal((await verify(server)).status, 503);
    await server.stop();
});

test('a name that cannot be found', async () => {
    const server = await startServer({ conf: 'dev_login off\nverifier https://nowhere.invalid/\n' +
        'login_timeout 2s\n' });
    const { status, json: said } = await verify(server);
    assert.equal(status, 503);
    assert.match(said.message, /nowhere\.invalid/);
    await server.stop();
});

test('a name is looked up', async () => {
    const verifier = await startVerifier(json(good()));
    const server = await startWith(verifier.url.replace('127.0.0.1', 'localhost'));
    assert.equal((await verify(server)).json.status, 'okay');
    await server.stop();
    verifier.server.close();
});

test('too many at once are told to come again', () => withVerifier(() => {}, async (server) => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => verify(server)));
    for (const { status, headers } of answers) {
        assert.equal(status, 503);
        assert.ok(Number(headers['retry-after']) > 0);
    }
    assert.equal(answers.filter(({ text }) => /under way/.test(text)).length, 3);
}, 'login_timeout 500ms\nmax_login_requests 2\n'));

test('a client that goes away leaves its question no longer than any other, and the server stops well',
    () => withVerifier(() => {}, async (server, { asked, server: verifier }) => {
        const gone = new Promise((resolve) => verifier.once('connection', (socket) =>
            socket.once('close', resolve)));
        const body = new URLSearchParams({ assertion: ASSERTION, audience: AUDIENCE }).toString();
        const socket = net.connect(server.port, '127.0.0.1');
        socket.write(`POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
        socket.destroy();
        await gone;
    }, 'login_timeout 300ms\n'));

test('over https, with a certificate that fits and that is vouched for', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-verifier-'));
    const { ca, ...options } = makeCertificate(directory);
    const verifier = https.createServer(options, (request, response) => {
        request.resume().on('end', () => json(good())(response));
    });
    const { port } = new URL(await listen(verifier));
    const ask = async (host, more) => {
        const server = await startWith(`https://${host}:${port}`, more);
        const { status, json: said } = await verify(server);
        await server.stop();
        return { status, said };
    };
    assert.equal((await ask('localhost', `login_ca_file ${ca}\n`)).said.status, 'okay');
    for (const [host, more] of [['localhost', ''], ['127.0.0.1', `login_ca_file ${ca}\n`]]) {
        const { status, said } = await ask(host, more);
        assert.equal(status, 503, `${host} ${more}`);
        assert.match(said.message, /certificate|peer/i);
    }
    verifier.close();
    fs.rmSync(directory, { recursive: true });
});

test('other shapes of assertions do not go to the verifier', () => withVerifier(json(good()),
    async (server, { asked }) => {
        for (const assertion of ['dev:x:ann@example.org', 'nothing', 'a.b.c']) {
            assert.equal((await verify(server, assertion)).json.status, 'failure');
        }
        assert.equal((await verify(server, ASSERTION, 'not an origin')).json.status, 'failure');
        assert.equal(asked.length, 0);
    }));

test('wrong confs are named', async () => {
    for (const url of ['http://verifier.example/', 'ftp://x/', 'http://127.0.0.1.evil.example/', 'https://',
        'verifier']) {
        const end = await runToEnd(['-t'], { conf: `listen 127.0.0.1:0\nverifier ${url}\n` });
        assert.equal(end.code, 1, url);
        assert.match(end.stderr, /cutout\.conf:2: verifier: .*is no URL/);
    }
    const both = await runToEnd(['-t'], {
        conf: 'listen 127.0.0.1:0\ndev_login on\nverifier https://verifier.example/\n' });
    assert.match(both.stderr, /dev_login: not together with verifier/);
});
