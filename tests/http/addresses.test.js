/* docs/protocol.md, section 2 and 7: what is an address, what is none, and what is on disk. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test, before, after } = require('node:test');
const { startServer, collection, login, raw } = require('./lib/server.js');

let server;
let token;

before(async () => {
    server = await startServer();
    token = await login(server, 'ann@example.org');
});
after(() => server.stop());

const tree = () => fs.readdirSync(server.dataDir, { recursive: true }).sort();

/* The target goes out as it is, unlike what URL classes make of it. */
async function target(method, text, body = '') {
    const answer = await raw(server.port, `${method} ${text} HTTP/1.1\r\nHost: x\r\n` +
        `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
    return { status: Number(answer.split(' ')[1]), text: answer };
}

const hostile = [
    '/app.example/ann@example.org/..',
    '/app.example/ann@example.org/.',
    '/app.example/ann@example.org/a/../b',
    '/app.example/ann@example.org/%2e%2e',
    '/app.example/ann@example.org/%2E%2e/%2e%2e/etc',
    '/app.example/ann@example.org/a%2fb',
    '/app.example/ann@example.org/a%2Fb',
    '/app.example/ann@example.org/a%00b',
    '/app.example/ann@example.org/a%0ab',
    '/app.example/ann@example.org/a%7f',
    '/app.example/ann@example.org/%ff',
    '/app.example/ann@example.org/%c0%af',
    '/app.example/ann@example.org/%ed%a0%80',
    '/app.example/ann@example.org/%zz',
    '/app.example/ann@example.org/%2',
    '/app.example/ann@example.org//a',
    '/app.example/ann@example.org/a//b',
    '/app.example/ann@example.org/a/',
    `/app.example/ann@example.org/${'x'.repeat(256)}`,
    `/app.example/ann@example.org/${'%20'.repeat(86)}`,
    `/app.example/ann@example.org/${'a/'.repeat(120)}b`,
    `/app.example/${'a'.repeat(250)}@example.org/x`,
    '/../ann@example.org/x',
    '/./ann@example.org/x',
    '/.journal/ann@example.org/x',
    '/app..example/ann@example.org/x',
    '/app.example:80/ann@example.org/x',
    '/app_%20example/ann@example.org/x',
    '/app.example/ann@@example.org/x',
    '/app.example/@example.org/x',
    '/app.example/ann@/x',
    '/app.example/a%20b@example.org/x',
    '/app.example/ann@example.org%00/x',
];
for (const text of hostile) {
    test(`400 and nothing on disk: ${text.slice(0, 60)}`, async () => {
        const before = tree();
        const answer = await target('POST', `${text}?auth=${token}`, '[{}]');
        assert.equal(answer.status, 400, answer.text);
        assert.match(answer.text, /"error":"bad_path"/);
        assert.deepEqual(tree(), before);
    });
}

test('a path whose second segment is no e-mail address is no collection', async () => {
    assert.equal((await target('GET', `/app.example/ann/notes?auth=${token}`)).status, 404);
    assert.equal((await target('GET', '/../../../etc/passwd')).status, 404);
});

test('segments that begin with + are reserved', async () => {
    const before = tree();
    const answer = await target('POST',
        `/app.example/ann@example.org/notes/+static/x?auth=${token}`, '[{}]');
    assert.equal(answer.status, 404);
    assert.deepEqual(tree(), before);
});

test('domain and the domain of the user are compared in lower case', async () => {
    const lower = collection(server, { bucket: 'case', token });
    await lower.post({}, [{ id: 1 }]);
    const answer = await target('GET', `/APP.Example/ann@EXAMPLE.org/case?auth=${token}`);
    assert.match(answer.text, /\[\[1,\{"id":1\}\]\]/);
    assert.equal((await target('GET', `/app.example/Ann@example.org/case?auth=${token}`)).status, 401);
});

test('spellings of one address are one collection', async () => {
    await collection(server, { bucket: 'a b', token }).post({}, [{ id: 1 }]);
    for (const spelling of ['/app.example/ann%40example.org/a%20b', '/app%2Eexample/ann@example.org/%61%20b'])
        assert.match((await target('GET', `${spelling}?auth=${token}`)).text, /\{"id":1\}/);
});

test('a bucket of several segments is one directory, percent-encoded', async () => {
    await collection(server, { bucket: 'shared/to do/ü', token }).post({}, [{ id: 1 }]);
    const directory = path.join(server.dataDir, 'app.example/ann@example.org',
        'shared%2Fto%20do%2F%C3%BC');
    assert.deepEqual(fs.readdirSync(directory).sort(),
        ['collection.json', 'database.1', 'database.index']);
    assert.equal(fs.readFileSync(path.join(directory, 'database.1'), 'utf8'), '[1,{"id":1}],\n');
    assert.equal(fs.statSync(directory).mode & 0o077, 0);
    assert.equal(fs.statSync(path.join(directory, 'database.1')).mode & 0o077, 0);
});

test('255 bytes of a name are taken', async () => {
    const answer = await collection(server, { bucket: 'x'.repeat(255), token }).post({}, [{}]);
    assert.deepEqual(answer.json.object_counters, [1]);
});

test("a user's buckets are listed with their figures", async () => {
    const email = 'list@example.org';
    const one = collection(server, { email, bucket: 'one' });
    const { collection_id: id } = (await one.post({ client: 'c', seq: 1 }, [{ id: 1 }, { id: 2 }])).json;
    await collection(server, { email, bucket: 'two/deep' }).post({}, [{ id: 1 }]);
    const gone = collection(server, { email, bucket: 'gone' });
    await gone.post({}, [{}]);
    await gone.del({});
    fs.writeFileSync(path.join(server.dataDir, 'app.example', email, 'README'), 'not ours');
    const answer = await server.request('GET', `/app.example/${email}/?auth=${one.token}`);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json.buckets.map(({ bucket }) => bucket), ['one', 'two/deep']);
    const { last_change: changed, ...figures } = answer.json.buckets[0];
    assert.deepEqual(figures,
        { bucket: 'one', collection_id: id, counter: 2, objects: 2, bytes: 28 });
    assert.ok(Math.abs(Date.now() / 1000 - changed) < 600);
    assert.equal((await server.request('GET', `/app.example/${email}/`)).status, 401);
});

test('below base_path everything keeps its shape', async () => {
    const below = await startServer({ conf: 'base_path /sync\n' });
    const form = new URLSearchParams({ assertion: `dev:${below.devToken}:ann@example.org`,
        audience: 'http://app.example' });
    const answer = await below.request('POST', '/sync/verify', { body: form.toString(),
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' } });
    const { auth } = answer.json.auth.query;
    const notes = `/sync/app.example/ann@example.org/notes?auth=${auth}`;
    assert.equal((await below.request('POST', notes, { body: '[{}]' })).status, 200);
    assert.equal((await below.request('GET', notes)).json.objects.length, 1);
    for (const wrong of ['/info', '/synch/info', '/app.example/ann@example.org/notes', '/sync'])
        assert.equal((await below.request('GET', wrong)).status, 404, wrong);
    await below.stop();
});
