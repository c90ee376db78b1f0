/* docs/protocol.md, section 10: which pages may read an answer. */
'use strict';

const assert = require('node:assert/strict');
const { test, before, after } = require('node:test');
const { startServer, login } = require('./lib/server.js');

const NOTES = '/app.example/ann@example.org/notes';
let server;
let token;

before(async () => {
    server = await startServer({ conf: 'allow_origin https://partner.example\n' });
    token = await login(server, 'ann@example.org');
});
after(() => server.stop());

const ask = (method, target, origin, headers = {}) =>
    server.request(method, target, { headers: { ...headers, ...(origin && { Origin: origin }) } });
const allowed = (answer) => answer.headers['access-control-allow-origin'];

for (const origin of ['http://app.example', 'https://app.example', 'http://app.example:8080',
    'https://partner.example']) {
    test(`${origin} may read, errors included`, async () => {
        for (const target of [`${NOTES}?auth=${token}`, NOTES, `${NOTES}?since=x`,
            `/app.example/ann@example.org/${'x'.repeat(300)}`, `${NOTES}?delete`]) {
            const answer = await ask('GET', target, origin);
            assert.equal(allowed(answer), origin, target);
            assert.equal(answer.headers['access-control-allow-credentials'], 'true');
            assert.match(answer.headers.vary, /Origin/);
            assert.match(answer.headers['access-control-expose-headers'], /Retry-After/);
        }
    });
}

for (const origin of ['http://evil.example', 'http://app.example.evil.example', 'http://xapp.example',
    'http://APP.example', 'null', 'app.example', 'http://app.example/', 'http://user@app.example',
    'http://app.example http://evil.example', 'http://app.example:x', '*']) {
    test(`${origin} may not read`, async () => {
        const answer = await ask('GET', `${NOTES}?auth=${token}`, origin);
        const granted = allowed(answer);
        assert.ok(granted === undefined || origin === 'http://app.example/', granted);
        assert.match(answer.headers.vary, /Origin/);
    });
}

test('without Origin there is nothing to allow, and still Vary', async () => {
    const answer = await ask('GET', `${NOTES}?auth=${token}`);
    assert.equal(allowed(answer), undefined);
    assert.match(answer.headers.vary, /Origin/);
});

test('a preflight is answered for the domain, without credentials, for a day', async () => {
    const answer = await ask('OPTIONS', NOTES, 'http://app.example',
        { 'Access-Control-Request-Method': 'POST' });
    assert.equal(answer.status, 204);
    assert.equal(allowed(answer), 'http://app.example');
    assert.match(answer.headers['access-control-allow-methods'], /POST/);
    assert.match(answer.headers['access-control-allow-headers'], /Authorization/);
    assert.equal(answer.headers['access-control-max-age'], '86400');
    assert.equal(allowed(await ask('OPTIONS', NOTES, 'http://evil.example')), undefined);
});

test('/verify, /info and /syncclient.js may be read from anywhere, without cookies', async () => {
    for (const [method, target] of [['POST', '/verify'], ['GET', '/info'], ['GET', '/syncclient.js']]) {
        const answer = await ask(method, target, 'http://any.example');
        assert.equal(allowed(answer), 'http://any.example', target);
        assert.equal(answer.headers['access-control-allow-credentials'], undefined, target);
    }
});

test('the admin listener allows nobody', async () => {
    const answer = await server.admin('/status', { headers: { Origin: 'https://partner.example' } });
    assert.equal(allowed(answer), undefined);
});

test('methods that are not possible are 405 with Allow', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH']) {
        const answer = await ask(method, NOTES, 'http://app.example');
        assert.deepEqual([answer.status, answer.json.error], [405, 'method_not_allowed']);
        assert.equal(answer.headers.allow, 'GET, HEAD, POST, OPTIONS');
        assert.equal(allowed(answer), 'http://app.example');
    }
    assert.equal((await ask('POST', '/info')).headers.allow, 'GET, HEAD, OPTIONS');
});
