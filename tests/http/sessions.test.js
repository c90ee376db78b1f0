/* What comes after a login: tokens that are renewed and end, logging out here and everywhere, and how
 * often one may try. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { startServer, collection, login } = require('./lib/server.js');
const { startVerifier, believe, verify } = require('./lib/verifier.js');

const AUDIENCE = 'http://app.example';
const ANN = 'ann@example.org';

const logOut = (server, token, where = '') =>
    server.request('POST', `/logout${where}`, { headers: { Authorization: `Bearer ${token}` } });

const statusOf = async (server, token, rest = {}) =>
    (await collection(server, { token, ...rest }).get()).status;

const withServer = (conf, action) => async () => {
    const server = await startServer({ conf });
    await action(server);
    await server.stop();
};

/* Servers on one directory, with one secret, whose logins somebody else vouches for. */
async function withSeveral(count, action) {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-sessions-'));
    const verifier = await startVerifier(believe);
    const conf = `dev_login off\nverifier ${verifier.url}\ntoken_secret_file ${directory}/secret\n`;
    const servers = [];
    try {
        for (let number = 1; number <= count; number++) {
            servers.push(await startServer({ conf, dataDir: `${directory}/data`, keepData: true,
                args: count > 1 ? ['-n', String(number)] : [] }));
        }
        await action(servers, verifier);
        for (const server of servers) await server.stop();
    } finally {
        verifier.server.closeAllConnections();
        verifier.server.close();
        fs.rmSync(directory, { recursive: true, force: true });
    }
}

let proofs = 0;
async function logInAt(server, email = ANN, audience = AUDIENCE) {
    const { json } = await verify(server, `${email}~${proofs++}`, audience);
    assert.equal(json.status, 'okay', JSON.stringify(json));
    return json.auth.query.auth;
}

/* ---- Logging out --------------------------------------------------------------------------- */

test('a token that was logged out lets nobody in, another of the same user does', withServer('',
    async (server) => {
        const [here, there] = [await login(server, ANN), await login(server, ANN)];
        assert.equal(await statusOf(server, here), 200);
        const answer = await logOut(server, here);
        assert.deepEqual([answer.status, answer.json], [200, { status: 'okay' }]);
        const refused = await collection(server, { token: here }).get();
        assert.equal(refused.status, 401);
        assert.match(refused.json.message, /logged out/);
        assert.equal((await collection(server, { token: here }).post({}, [{ id: 'a' }])).status, 401);
        assert.equal(await statusOf(server, there), 200);
        assert.equal((await logOut(server, here)).status, 401, 'once more');
    }));

test('the token can be in the query, as for everything else', withServer('', async (server) => {
    const token = await login(server, ANN);
    assert.equal((await server.request('POST', `/logout?auth=${token}`)).status, 200);
    assert.equal(await statusOf(server, token), 401);
    assert.doesNotMatch(server.stderr, new RegExp(token.slice(-20)), 'the log has no token');
}));

test('everywhere: all of this user at this site, and nobody else', withServer('', async (server) => {
    const [here, there] = [await login(server, ANN), await login(server, ANN)];
    const bob = await login(server, 'bob@example.org');
    const elsewhere = await login(server, ANN, 'http://other.example');
    assert.equal((await logOut(server, here, '/everywhere')).status, 200);
    assert.equal(await statusOf(server, here), 401);
    assert.equal(await statusOf(server, there), 401);
    assert.equal(await statusOf(server, bob, { email: 'bob@example.org' }), 200);
    assert.equal(await statusOf(server, elsewhere, { domain: 'other.example' }), 200);
    assert.equal(await statusOf(server, await login(server, ANN)), 200, 'a login right after it');
}));

test('who is not logged in cannot log out', withServer('', async (server) => {
    for (const where of ['/logout', '/logout/everywhere']) {
        assert.equal((await server.request('POST', where)).status, 401);
        assert.equal((await server.request('POST', `${where}?auth=v1.once.e30.x`)).status, 401);
        assert.equal((await server.request('GET', where)).status, 405);
    }
}));

test('whom a proxy has logged in logs out there', withServer(
    'dev_login off\ntrusted_user_header X-User\ntrusted_proxies 127.0.0.1\n', async (server) => {
        const headers = { 'X-User': `${ANN}/app.example` };
        for (const where of ['/logout', '/logout/everywhere']) {
            const answer = await server.request('POST', where, { headers });
            assert.equal(answer.status, 400);
            assert.match(answer.json.message, /proxy/);
        }
    }));

test('any page may log its user out', withServer('', async (server) => {
    const answer = await server.request('POST', `/logout?auth=${await login(server, ANN)}`,
        { headers: { Origin: AUDIENCE } });
    assert.equal(answer.headers['access-control-allow-origin'], AUDIENCE);
}));

test('it is known to all servers of the directory at once', () => withSeveral(3, async (servers) => {
    const [first, second, third] = servers;
    const token = await logInAt(first);
    const renewed = (await verify(second, token, AUDIENCE)).json.auth.query.auth;
    const other = await logInAt(third);
    for (const server of servers) assert.equal(await statusOf(server, token), 200);
    assert.equal((await logOut(second, token)).status, 200);
    for (const server of servers) {
        assert.equal(await statusOf(server, token), 401);
        assert.equal(await statusOf(server, renewed), 401, 'one session');
        assert.equal(await statusOf(server, other), 200);
    }
    assert.equal((await logOut(third, other, '/everywhere')).status, 200);
    for (const server of servers) assert.equal(await statusOf(server, other), 401);
}));

test('it outlives kills and restarts', () => withSeveral(1, async ([server]) => {
    const [here, there, later] = [await logInAt(server), await logInAt(server), await logInAt(server)];
    const bob = await logInAt(server, 'bob@example.org');
    await logOut(server, here);
    await logOut(server, bob, '/everywhere');
    await server.kill();
    await server.start();
    assert.equal(await statusOf(server, here), 401);
    assert.equal(await statusOf(server, bob, { email: 'bob@example.org' }), 401);
    assert.equal(await statusOf(server, there), 200);
    await logOut(server, there);
    await server.restart();
    for (const token of [here, there]) assert.equal(await statusOf(server, token), 401);
    assert.equal(await statusOf(server, later), 200);
}));

test('a damaged list of who was logged out stops the start, and says what to do', () =>
    withSeveral(1, async ([server]) => {
        for (let i = 0; i < 2; i++) await logOut(server, await logInAt(server));
        await server.stop();
        const file = path.join(server.dataDir, '.revoked');
        const bytes = fs.readFileSync(file);
        bytes[20] ^= 1;
        fs.writeFileSync(file, bytes);
        server.expectErrors.push(/./);
        await assert.rejects(server.start());
        assert.match(server.stderr, /\.revoked: at byte 16: is damaged.*new key/);
        bytes[20] ^= 1;
        fs.writeFileSync(file, bytes);
        await server.start();
    }));

/* ---- Renewing ------------------------------------------------------------------------------ */

test('a token is given for one that is good, and ends with the session', withServer('',
    async (server) => {
        const token = await login(server, ANN);
        const { json } = await verify(server, token, AUDIENCE);
        assert.deepEqual([json.status, json.email, json.issuer], ['okay', ANN, 'session']);
        const renewed = json.auth.query.auth;
        assert.equal(await statusOf(server, renewed), 200);
        await logOut(server, renewed);
        assert.equal(await statusOf(server, token), 401);
        const again = (await verify(server, token, AUDIENCE)).json;
        assert.equal(again.status, 'failure');
        assert.match(again.reason, /logged out/);
    }));

test('no token outlives its session', withServer('session_lifetime 5s\n', async (server) => {
    const { json } = await verify(server, `dev:${server.devToken}:${ANN}`, AUDIENCE);
    assert.equal(json.expires_in, 5);
}));

/* ---- Assertions are used up ---------------------------------------------------------------- */

test('an assertion logs in once, at whichever server', () => withSeveral(2, async ([first, second]) => {
    assert.equal((await verify(first, `${ANN}~once`, AUDIENCE)).json.status, 'okay');
    for (const server of [first, second]) {
        const { status, json } = await verify(server, `${ANN}~once`, AUDIENCE);
        assert.equal(status, 200);
        assert.equal(json.status, 'failure');
        assert.match(json.reason, /used before/);
    }
}));

test('of many who use an assertion at once one is let in', () => withSeveral(2, async (servers) => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) =>
        verify(servers[i % 2], `${ANN}~together`, AUDIENCE)));
    assert.equal(answers.filter(({ json }) => json.status === 'okay').length, 1);
}));

/* ---- How often ----------------------------------------------------------------------------- */

test('an address that tries too often is told to wait', withServer('logins_per_address 3\n',
    async (server) => {
        for (let i = 0; i < 3; i++) {
            assert.equal((await verify(server, 'dev:guess:x@example.org', AUDIENCE)).status, 200);
        }
        const answer = await verify(server, `dev:${server.devToken}:${ANN}`, AUDIENCE);
        assert.equal(answer.status, 429);
        assert.equal(answer.json.error, 'too_often');
        const wait = Number(answer.headers['retry-after']);
        assert.ok(wait > 0 && wait <= 20, answer.headers['retry-after']);
    }));

test('a user who logs in too often is told to wait, others are not', withServer('logins_per_user 2\n',
    async (server) => {
        const ask = (email) => verify(server, `dev:${server.devToken}:${email}`, AUDIENCE);
        for (let i = 0; i < 2; i++) assert.equal((await ask(ANN)).json.status, 'okay');
        const answer = await ask(ANN);
        assert.equal(answer.status, 429);
        assert.ok(Number(answer.headers['retry-after']) > 60);
        assert.equal((await ask('bob@example.org')).json.status, 'okay');
    }));

test('0 is no limit', withServer('logins_per_address 0\nlogins_per_user 0\n', async (server) => {
    for (let i = 0; i < 200; i++) await login(server, ANN);
}));

test('only the sites that are named are served', withServer(`allow_audience ${AUDIENCE}\n`,
    async (server) => {
        await login(server, ANN);
        const { json } = await verify(server, `dev:${server.devToken}:${ANN}`, 'http://other.example');
        assert.equal(json.status, 'failure');
        assert.match(json.reason, /not for the users of that audience/);
    }));

/* ---- The log ------------------------------------------------------------------------------- */

test('every login, refusal and logout has a line', withServer('', async (server) => {
    const token = await login(server, ANN);
    await verify(server, 'dev:guess:x@example.org', AUDIENCE);
    await logOut(server, token, '/everywhere');
    await server.waitForLog(/notice login: ann@example\.org at http:\/\/app\.example from 127\.0\.0\.1/);
    await server.waitForLog(/notice login refused from 127\.0\.0\.1: the dev token is wrong/);
    await server.waitForLog(/notice logout_everywhere: ann@example\.org at http:\/\/app\.example from/);
}));
