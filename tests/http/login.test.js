/* docs/protocol.md, section 8: who may do what, and what the log says of it. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { test, before, after } = require('node:test');
const { startServer, collection, login, runToEnd } = require('./lib/server.js');

let server;
let token;

before(async () => {
    server = await startServer();
    token = await login(server, 'ann@example.org');
    await collection(server, { token }).post({}, [{ id: 1 }]);
});
after(() => server.stop());

const NOTES = '/app.example/ann@example.org/notes';

function verify(assertion, audience, type = 'form') {
    const fields = { assertion, audience };
    return server.request('POST', '/verify', type === 'json'
        ? { headers: { 'Content-Type': 'application/json; charset=utf-8' },
            body: JSON.stringify(fields) }
        : { headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
            body: new URLSearchParams(fields).toString() });
}

test('a page may ask for a login at its own site, and at none that trusts it not', async () => {
    const trusting = await startServer({ conf: 'allow_origin https://www.app.example\n' });
    const ask = async (where, origin, audience) => {
        const answer = await where.request('POST', '/verify', {
            headers: { 'Content-Type': 'application/json', ...(origin && { Origin: origin }) },
            body: JSON.stringify({ assertion: `dev:${where.devToken}:bob@example.org`, audience }),
        });
        return answer.status === 200 ? answer.json.status : `${answer.status} ${answer.json.error}`;
    };
    const site = 'https://app.example';
    for (const [origin, audience, said] of [
        [undefined, site, 'okay'],
        [site, site, 'okay'],
        [`${site}:443`, site, 'okay'],
        ['https://evil.example', site, '403 forbidden'],
        ['http://app.example', site, '403 forbidden'],
        ['https://app.example:8443', site, '403 forbidden'],
        ['https://www.app.example', site, '403 forbidden'],
        ['null', site, '403 forbidden'],
        ['https://evil.example', 'https://app.example/path', 'failure'],
    ]) assert.equal(await ask(server, origin, audience), said, `${origin} at ${audience}`);
    assert.equal(await ask(trusting, 'https://www.app.example', site), 'okay');
    assert.equal(await ask(trusting, 'https://evil.example', site), '403 forbidden');
    await trusting.stop();
});

test('a login answers with what the client has to send', async () => {
    for (const type of ['form', 'json']) {
        const answer = await verify(`dev:${server.devToken}:Bob@Example.org`, 'http://app.example:80', type);
        assert.equal(answer.status, 200);
        const { auth, expires, ...rest } = answer.json;
        assert.deepEqual(rest, { status: 'okay', email: 'Bob@example.org',
            audience: 'http://app.example:80', expires_in: 43200, issuer: 'dev' });
        assert.deepEqual(Object.keys(auth), ['query', 'headers']);
        assert.ok(expires > Date.now() && expires < Date.now() + 43300000);
        const notes = `/app.example/Bob@example.org/notes?auth=${auth.query.auth}`;
        assert.equal((await server.request('GET', notes)).status, 200);
    }
});

const refused = [
    ['a wrong dev token', 'dev:0000:ann@example.org', 'http://app.example', /dev token is wrong/],
    ['no e-mail address', 'dev:TOKEN:ann', 'http://app.example', /e-mail/],
    ['two e-mail addresses', 'dev:TOKEN:a@b.c,d@e.f', 'http://app.example', /e-mail/],
    ['an audience with a user', 'dev:TOKEN:ann@example.org', 'http://victim.com:x@attacker.com', /origin/],
    ['an audience with a path', 'dev:TOKEN:ann@example.org', 'http://app.example/path', /origin/],
    ['an audience of another scheme', 'dev:TOKEN:ann@example.org', 'ftp://app.example', /origin/],
    ['an audience in capitals', 'dev:TOKEN:ann@example.org', 'http://APP.example', /origin/],
    ['an audience without scheme', 'dev:TOKEN:ann@example.org', 'app.example', /origin/],
    ['an assertion of no known kind', 'it is me', 'http://app.example', /no kind of login/],
    ['an ID token without an issuer', 'eyJ.eyJ.sig', 'http://app.example', /there is no oidc_issuer/],
    ['a BrowserID assertion without a verifier', 'eyJ.eyJ.sig~eyJ.eyJ.sig', 'http://app.example',
        /there is no verifier/],
];
for (const [name, assertion, audience, reason] of refused) {
    test(`a login is refused with a reason, and status 200: ${name}`, async () => {
        const answer = await verify(assertion.replace('TOKEN', server.devToken), audience);
        assert.deepEqual([answer.status, answer.json.status], [200, 'failure']);
        assert.match(answer.json.reason, reason);
        assert.equal(answer.json.auth, undefined);
    });
}

test('missing or repeated fields of a login are 400', async () => {
    for (const body of ['', 'assertion=x', 'audience=x', 'assertion=a&assertion=b&audience=c']) {
        const answer = await server.request('POST', '/verify', { body,
            headers: { 'Content-Type': 'application/x-www-form-urlencoded' } });
        assert.equal(answer.status, 400, body);
    }
    assert.equal((await server.request('GET', '/verify')).status, 405);
});

test('Bearer serves as well as auth', async () => {
    const answer = await server.request('GET', NOTES, { headers: { Authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 200);
});

const payload = (text) => JSON.parse(Buffer.from(text.split('.')[2], 'base64url'));
const forge = (change) => {
    const parts = token.split('.');
    parts[2] = Buffer.from(JSON.stringify({ ...payload(token), ...change })).toString('base64url');
    return parts.join('.');
};
const wrong = {
    'no token': () => '',
    'no token at all but text': () => 'hello',
    'another e-mail': () => forge({ email: 'eve@example.org' }),
    'a later expiry': () => forge({ expires: 4102444800 }),
    'another audience': () => forge({ audience: 'http://evil.example' }),
    'another key': () => token.replace(/^v1\.[^.]+/, 'v1.zzzz'),
    'another version': () => token.replace(/^v1/, 'v2'),
    'no signature': () => token.replace(/[^.]+$/, ''),
    'a cut signature': () => token.slice(0, -1),
    'a longer signature': () => `${token}A`,
    'a part too many': () => `${token}.x`,
    'padding': () => `${token}=`,
    'blanks': () => `${token} `,
};
for (const [name, make] of Object.entries(wrong)) {
    test(`401 for a token with ${name}`, async () => {
        const answer = await server.request('GET', `${NOTES}?auth=${encodeURIComponent(make())}`);
        assert.deepEqual([answer.status, answer.json.error], [401, 'unauthorized'], answer.text);
        assert.equal(answer.headers['www-authenticate'], 'Bearer');
    });
}

test('every changed letter of the signature is noticed', async () => {
    const start = token.lastIndexOf('.') + 1;
    for (let i = start; i < token.length; i++) {
        const other = token[i] === 'A' ? 'B' : 'A';
        const answer = await server.request('GET',
            `${NOTES}?auth=${token.slice(0, i)}${other}${token.slice(i + 1)}`);
        assert.equal(answer.status, 401, `letter ${i - start}`);
    }
});

test("another user's, another site's: the same 401 whether it is there or not", async () => {
    const texts = new Set();
    for (const address of ['/app.example/eve@example.org/notes', '/app.example/eve@example.org/none',
        '/evil.example/ann@example.org/notes']) {
        for (const [method, body] of [['GET'], ['POST', '[{}]'], ['HEAD']]) {
            const answer = await server.request(method, `${address}?auth=${token}`, { body });
            assert.equal(answer.status, 401);
            if (method !== 'HEAD') texts.add(answer.text);
        }
        const gone = await server.request('POST', `${address}?delete&auth=${token}`, { body: '{}' });
        assert.equal(gone.status, 401);
    }
    assert.equal(texts.size, 1);
});

test('a token expires', async () => {
    const quick = await startServer({ conf: 'token_lifetime 1s\n' });
    const notes = collection(quick, {});
    assert.equal((await notes.get()).status, 200);
    const { expires } = payload(notes.token);
    while (Date.now() < expires * 1000) await notes.get({ wait: 1 });
    const answer = await notes.get();
    assert.equal(answer.status, 401);
    assert.match(answer.json.message, /expired/);
    await quick.stop();
});

test('no token is ever in the log', async () => {
    await server.request('GET', `${NOTES}?%61uth=${token}&since=x`);
    await server.request('GET', `/verify?auth=${token}`);
    await server.request('GET', `/app.example/x?token=${token}`);
    await server.request('GET', '/info', { headers: { Authorization: `Bearer ${token}` } });
    await server.waitForLog(/GET \/info/);
    const secret = token.split('.')[3];
    assert.ok(!server.stderr.includes(secret));
    assert.ok(!server.stderr.includes(token.split('.')[2]));
});

test('keys from a file outlive the server; others must not be able to read them', async () => {
    const directory = fs.mkdtempSync(path.join(server.dataDir, 'keys-'));
    const file = path.join(directory, 'secret');
    const conf = `dev_login off\ntoken_secret_file ${file}\n`;
    const first = await startServer({ conf });
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.match(fs.readFileSync(file, 'utf8'), /^[a-z0-9]{1,16} [0-9a-f]{64}\n$/);
    await first.stop();
    fs.chmodSync(file, 0o644);
    const end = await runToEnd([], { conf: `${conf}listen 127.0.0.1:0\nadmin_listen 127.0.0.1:0\n` +
        `data_dir ${directory}/data\n` });
    assert.equal(end.code, 1);
    assert.match(end.stderr, /chmod 600/);
    fs.rmSync(directory, { recursive: true });
});

test('a proxy that logged the user in is believed, from its address only', async () => {
    const conf = 'dev_login off\ntrusted_user_header X-User\ntrusted_proxies 127.0.0.1\n';
    const proxied = await startServer({ conf });
    const headers = { 'X-User': 'ann@example.org/app.example' };
    assert.equal((await proxied.request('POST', NOTES, { headers, body: '[{}]' })).status, 200);
    assert.equal((await proxied.request('GET', NOTES, { headers })).status, 200);
    for (const value of ['eve@example.org/app.example', 'ann@example.org/evil.example',
        'ann@example.org', '/app.example', 'ann@example.org/app.example/x'])
        assert.equal((await proxied.request('GET', NOTES, { headers: { 'X-User': value } })).status, 401, value);
    assert.equal((await proxied.request('GET', NOTES)).status, 401);
    /* Cookies go along with any site's POST. */
    const foreign = { ...headers, Origin: 'http://evil.example' };
    assert.equal((await proxied.request('POST', `${NOTES}?since=1`, { headers: foreign, body: '[{}]' })).status, 403);
    const own = { ...headers, Origin: 'http://app.example' };
    assert.equal((await proxied.request('POST', `${NOTES}?since=1`, { headers: own, body: '[{}]' })).status, 200);
    await proxied.stop();
    const others = await startServer({ conf: conf.replace('127.0.0.1', '10.0.0.0/8') });
    assert.equal((await others.request('GET', NOTES, { headers })).status, 401);
    await others.stop();
});

test('a reload without the file of keys changes nothing', async () => {
    const file = path.join(os.tmpdir(), `cutout-keys-${process.pid}`);
    const keyed = await startServer({ conf: `dev_login off\ntoken_secret_file ${file}\n`,
        expectErrors: [/reload: nothing was changed/] });
    fs.unlinkSync(file);
    keyed.signal('SIGHUP');
    await keyed.waitForLog(/reload: (nothing was changed|done)/);
    assert.ok(!fs.existsSync(file));
    await keyed.stop();
});

test('a proxy that comes through a unix socket is believed, and logged as one', async () => {
    const proxied = await startServer({ conf: 'dev_login off\nlisten 127.0.0.1:0 unix:{socket}\n'
        .replace('{socket}', path.join(os.tmpdir(), `cutout-proxy-${process.pid}.sock`)) +
        'trusted_user_header X-User\ntrusted_proxies unix:\n' });
    const socketPath = proxied.listeners.find((one) => one.startsWith('unix:')).slice(5);
    const headers = { 'X-User': 'ann@example.org/app.example' };
    const status = await new Promise((resolve, reject) => {
        http.get({ socketPath, path: NOTES, headers }, (answer) => {
            answer.resume();
            answer.on('end', () => resolve(answer.statusCode));
        }).on('error', reject);
    });
    assert.equal(status, 200);
    await proxied.waitForLog(/ unix: GET /);
    assert.equal((await proxied.request('GET', NOTES, { headers })).status, 401);
    await proxied.stop();
});

test('dev login does not start beside what it would open to the network', async () => {
    for (const line of ['listen 0.0.0.0:0', 'listen *:0', 'token_secret_file x',
        'trusted_user_header X-User\ntrusted_proxies 127.0.0.1']) {
        const end = await runToEnd([], { conf: `dev_login on\nadmin_listen 127.0.0.1:0\n${line}\n` });
        assert.equal(end.code, 1, line);
        assert.match(end.stderr, /dev_login/);
    }
});
