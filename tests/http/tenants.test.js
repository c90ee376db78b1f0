/* Who is logged in as one user at one site gets at nothing of another's: every endpoint, with every
 * way of writing an address that somebody else's parser might take for his. */
'use strict';

const assert = require('node:assert/strict');
const http = require('node:http');
const { test } = require('node:test');
const { startServer, collection, login, request } = require('./lib/server.js');

const SECRET = 'what only Ann may read';
const VICTIM = { email: 'ann@example.org', domain: 'app.example', bucket: 'notes' };

/* Who asks: each is logged in, but as somebody else. */
const strangers = {
    'another user of the site': ['bob@example.org', 'http://app.example'],
    'the same user at another site': ['ann@example.org', 'http://other.example'],
    'the same user at a site below': ['ann@example.org', 'http://x.app.example'],
    'the same user at a site above': ['ann@example.org', 'http://example'],
    'a user with the same name elsewhere': ['ann@example.com', 'http://app.example'],
    'a user whose name differs by case': ['Ann@example.org', 'http://app.example'],
    'a user whose name contains hers': ['x+ann@example.org', 'http://app.example'],
    'a user whose name begins with hers': ['ann@example.org.evil.example', 'http://app.example'],
};

/* Ways of writing an address; own is the stranger's. One of them is his own place, and there he may. */
const addresses = {
    'as it is': () => '/app.example/ann@example.org/notes',
    'with the at sign coded': () => '/app.example/ann%40example.org/notes',
    'coded twice': () => '/app.example/ann%2540example.org/notes',
    'all of it coded': () => '/%61pp.example/%61nn@example.org/%6eotes',
    'in upper case': () => '/APP.EXAMPLE/ann@EXAMPLE.ORG/notes',
    'with a dot at the end of the site': () => '/app.example./ann@example.org/notes',
    'with a port': () => '/app.example:80/ann@example.org/notes',
    'with a user at the site': (own) => `/${own.domain}@app.example/ann@example.org/notes`,
    'with two slashes': () => '//app.example/ann@example.org/notes',
    'with a slash within': () => '/app.example//ann@example.org/notes',
    'with a slash that is coded': () => '/app.example%2Fann@example.org/notes',
    'with a backslash': () => '/app.example\\ann@example.org/notes',
    'from his own place, up': (own) => `/${own.domain}/${own.email}/../../app.example/ann@example.org/notes`,
    'from his own place, up, coded': (own) =>
        `/${own.domain}/${own.email}/%2e%2e/%2e%2e/app.example/ann@example.org/notes`,
    'from his own bucket, up': (own) => `/${own.domain}/${own.email}/notes/../../ann@example.org/notes`,
    'as a bucket of his own': (own) => `/${own.domain}/${own.email}/app.example/ann@example.org/notes`,
    'with a NUL': () => '/app.example/ann@example.org%00/notes',
    'with a line break': () => '/app.example/ann@example.org%0a/notes',
    'with a blank': () => '/app.example/ann@example.org%20/notes',
    'with letters that look alike': () => '/app.example/%D0%B0nn@example.org/notes',
    'with a full-width dot': () => '/app%EF%BC%8Eexample/ann@example.org/notes',
    'overlong': () => '/app.example/ann%C1%80example.org/notes',
    'with a fragment': () => '/app.example/ann@example.org/notes%23',
    'with a semicolon': () => '/app.example/ann@example.org;x/notes',
    'as a whole URL': () => 'http://app.example/app.example/ann@example.org/notes',
};

/* What can be asked of an address. */
const questions = {
    read: ['GET', ''],
    'read on': ['GET', 'since=0&limit=1'],
    'read some': ['GET', 'include=note'],
    look: ['HEAD', ''],
    append: ['POST', '', '[{"id":"evil"}]'],
    'append where she stands': ['POST', 'since=1', '[{"id":"a","deleted":true}]'],
    'append as her client': ['POST', 'client=hers&seq=2', '[{"id":"evil"}]'],
    wait: ['GET', 'since=0&wait=1'], /* his own is there by now */
    delete: ['POST', 'delete', '{"why":"evil"}'],
};

/* As he writes it, which fetch would not. */
async function ask(server, path, method, query, body, token, how) {
    const url = new URL(server.url);
    return new Promise((resolve, reject) => {
        const sent = http.request({ host: url.hostname, port: url.port, method, agent: false,
            path: `${path}?${query}${how === 'query' ? `&auth=${token}` : ''}`,
            headers: { ...(how === 'header' ? { Authorization: `Bearer ${token}` } : {}),
                'Content-Type': 'application/json' } }, (response) => {
            const chunks = [];
            response.on('data', (chunk) => chunks.push(chunk));
            response.on('end', () => resolve({ status: response.statusCode,
                text: Buffer.concat(chunks).toString() }));
        });
        sent.on('error', reject);
        sent.end(body);
    });
}

async function withAnn(action) {
    const server = await startServer();
    const hers = collection(server, VICTIM);
    await hers.post({ client: 'hers', seq: 1 }, [{ id: 'a', type: 'note', data: SECRET }]);
    const before = (await hers.get()).text;
    assert.match(before, new RegExp(SECRET));
    await action(server);
    assert.equal((await hers.get()).text, before, 'hers is as it was');
    await server.stop();
}

for (const [who, [email, origin]] of Object.entries(strangers)) {
    test(`${who} gets at nothing of hers`, () => withAnn(async (server) => {
        const own = { email, domain: new URL(origin).hostname };
        const token = await login(server, email, origin);
        let asked = 0;
        for (const [what, write] of Object.entries(addresses)) {
            for (const [name, [method, query, body]] of Object.entries(questions)) {
                for (const how of ['query', 'header']) {
                    const answer = await ask(server, write(own), method, query, body, token, how);
                    const where = `${name} ${what}, token in the ${how}: ${answer.status} ${answer.text}`;
                    const isOwn = what === 'as a bucket of his own';
                    assert.ok(isOwn ? answer.status < 300 : [400, 401, 404, 405].includes(answer.status),
                        where);
                    assert.ok(!answer.text.includes(SECRET), where);
                    asked++;
                }
            }
        }
        const list = await request(`${server.url}/app.example/ann@example.org/?auth=${token}`);
        assert.equal(list.status, 401);
        assert.equal(asked, Object.keys(addresses).length * Object.keys(questions).length * 2);
    }));
}

test('what is not his and what is not there look the same', () => withAnn(async (server) => {
    const token = await login(server, 'bob@example.org', 'http://app.example');
    for (const [name, [method, query, body]] of Object.entries(questions)) {
        const [there, absent] = await Promise.all(['notes', 'nothing'].map((bucket) =>
            ask(server, `/app.example/ann@example.org/${bucket}`, method, query, body, token, 'query')));
        assert.deepEqual(there, absent, name);
        assert.equal(there.status, 401, name);
    }
}));

test('a proxy\'s word for one user is none for another', async () => {
    const server = await startServer({ conf: 'dev_login off\ntrusted_user_header X-User\n' +
        'trusted_proxies 127.0.0.1\n' });
    const ask = (user) => request(`${server.url}/app.example/ann@example.org/notes`,
        { headers: { 'X-User': user } });
    assert.equal((await ask('ann@example.org/app.example')).status, 200);
    for (const user of ['bob@example.org/app.example', 'ann@example.org/other.example', 'ann@example.org',
        'ann@example.org/app.example/', 'ann@example.org/app.example, bob@example.org/app.example',
        ' ', '/', 'ann@example.org/app.example.', 'ANN@example.org/app.example']) {
        assert.equal((await ask(user)).status, 401, user);
    }
    await server.stop();
});
