/* docs/protocol.md, section 4: each sentence of it is a test. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test, before, after } = require('node:test');
const { startServer, collection, RawConnection, login } = require('./lib/server.js');

let server;
let bucket = 0;

before(async () => { server = await startServer({ conf: 'max_wait 5s\n' }); });
after(() => server.stop());

/* A collection nobody else uses. */
const fresh = () => collection(server, { bucket: `reading-${++bucket}` });

async function filled(objects, params = {}) {
    const notes = fresh();
    const answer = await notes.post(params, objects);
    assert.ok(answer.json.object_counters, answer.text);
    notes.id = answer.json.collection_id;
    return notes;
}

const counters = (answer) => answer.json.objects.map(([counter]) => counter);
const ids = (answer) => answer.json.objects.map(([, object]) => object.id);
const three = [{ id: 1 }, { id: 2 }, { id: 3 }];

test('objects above since come in counter order as [counter, object]', async () => {
    const notes = await filled(three);
    const answer = await notes.get({ since: 1 });
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'], /^application\/json/);
    assert.deepEqual(answer.json.objects, [[2, { id: 2 }], [3, { id: 3 }]]);
});

test('an absent since is 0', async () => {
    const notes = await filled(three);
    assert.deepEqual(counters(await notes.get()), [1, 2, 3]);
});

test('without collection_id the answer has it', async () => {
    const notes = await filled(three);
    assert.equal((await notes.get()).json.collection_id, notes.id);
    assert.match(notes.id, /^[0-9a-f]{32}$/);
});

test('with the right collection_id the answer does not repeat it', async () => {
    const notes = await filled(three);
    const answer = await notes.get({ collection_id: notes.id });
    assert.equal(answer.json.collection_id, undefined);
    assert.deepEqual(counters(answer), [1, 2, 3]);
});

test('reading a collection nobody wrote to creates nothing and has no id', async () => {
    const notes = collection(server, { email: 'nobody@example.org', bucket: 'never' });
    const answer = await notes.get();
    assert.deepEqual([answer.status, answer.json], [200, { objects: [] }]);
    assert.ok(!fs.existsSync(path.join(server.dataDir, 'app.example/nobody@example.org')));
});

test('the right collection_id and nothing newer is 204 without body', async () => {
    const notes = await filled(three);
    const answer = await notes.get({ since: 3, collection_id: notes.id });
    assert.deepEqual([answer.status, answer.text], [204, '']);
});

test('without collection_id nothing newer is 200 with no objects', async () => {
    const notes = await filled(three);
    const answer = await notes.get({ since: 3 });
    assert.deepEqual([answer.status, answer.json],
        [200, { objects: [], collection_id: notes.id }]);
});

test('another collection_id is answered as changed, from 0', async () => {
    const notes = await filled(three);
    const answer = await notes.get({ since: 2, collection_id: 'another' });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.collection_changed, true);
    assert.equal(answer.json.collection_id, notes.id);
    assert.deepEqual(counters(answer), [1, 2, 3]);
});

test('a collection_id of what is not there is answered as changed, without id', async () => {
    const answer = await fresh().get({ since: 2, collection_id: 'gone' });
    assert.deepEqual(answer.json, { objects: [], collection_changed: true });
});

test('since above the last counter with collection_id: the stream is gone, from 0', async () => {
    const notes = await filled(three);
    const answer = await notes.get({ since: 4, collection_id: notes.id });
    assert.equal(answer.json.collection_changed, true);
    assert.equal(answer.json.collection_id, notes.id);
    assert.deepEqual(counters(answer), [1, 2, 3]);
});

test('since above the last counter without collection_id is nothing newer', async () => {
    const notes = await filled(three);
    const answer = await notes.get({ since: 400 });
    assert.deepEqual([answer.status, answer.json.objects], [200, []]);
    assert.equal(answer.json.collection_changed, undefined);
});

test('limit bounds the objects, incomplete and pending tell of the rest', async () => {
    const notes = await filled(three);
    const answer = await notes.get({ limit: 2 });
    assert.deepEqual(counters(answer), [1, 2]);
    assert.equal(answer.json.incomplete, true);
    assert.equal(answer.json.pending, 1);
    const rest = await notes.get({ limit: 2, since: 2 });
    assert.deepEqual(counters(rest), [3]);
    assert.equal(rest.json.incomplete, undefined);
    assert.equal(rest.json.pending, undefined);
});

test('the server stops by itself at max_response_objects and max_response_bytes', async () => {
    const small = await startServer({
        conf: 'max_response_objects 2\nmax_response_bytes 64k\n',
    });
    const notes = collection(small, {});
    await notes.post({}, three);
    const answer = await notes.get();
    assert.deepEqual([counters(answer), answer.json.incomplete, answer.json.pending],
        [[1, 2], true, 1]);
    const big = collection(small, { bucket: 'big' });
    await big.post({}, [1, 2].map((id) => ({ id, data: 'x'.repeat(50000) })));
    const page = await big.get();
    assert.deepEqual([counters(page), page.json.incomplete, page.json.pending], [[1], true, 1]);
    await small.stop();
});

test('an object larger than max_response_bytes is still sent', async () => {
    const small = await startServer({ conf: 'max_response_bytes 64k\n' });
    const notes = collection(small, {});
    await notes.post({}, [{ id: 1, data: 'x'.repeat(100000) }, { id: 2 }]);
    assert.deepEqual(counters(await notes.get()), [1]);
    assert.deepEqual(counters(await notes.get({ since: 1 })), [2]);
    await small.stop();
});

const typed = [{ id: 1, type: 'a' }, { id: 2, type: 'b' }, { id: 3 }, { id: 4, type: 'a' }];

test('include sends only these types', async () => {
    const notes = await filled(typed);
    assert.deepEqual(ids(await notes.get({ include: 'a' })), [1, 4]);
    assert.deepEqual(ids(await notes.get({ include: ['a', 'b'] })), [1, 2, 4]);
});

test('exclude sends all but these types', async () => {
    const notes = await filled(typed);
    assert.deepEqual(ids(await notes.get({ exclude: 'a' })), [2, 3]);
    assert.deepEqual(ids(await notes.get({ exclude: ['a', 'b'] })), [3]);
});

test('an object without type matches no include and no exclude', async () => {
    const notes = await filled([{ id: 1 }, { id: 2, type: '' }]);
    assert.deepEqual(ids(await notes.get({ include: '' })), [2]);
    assert.deepEqual(ids(await notes.get({ exclude: '' })), [1]);
});

test('include and exclude together are 400', async () => {
    const answer = await fresh().get({ include: 'a', exclude: 'b' });
    assert.deepEqual([answer.status, answer.json.error], [400, 'bad_parameter']);
});

test('until says how far was looked, beyond the last object returned', async () => {
    const notes = await filled(typed);
    assert.equal((await notes.get({ include: 'b' })).json.until, 4);
    assert.equal((await notes.get({ include: 'a' })).json.until, undefined);
    assert.equal((await notes.get()).json.until, undefined);
});

test('nothing to return but until moved on is 200 with no objects and until', async () => {
    const notes = await filled(typed);
    const answer = await notes.get({ since: 2, include: 'b', collection_id: notes.id });
    assert.deepEqual([answer.status, answer.json], [200, { objects: [], until: 4 }]);
    const next = await notes.get({ since: 4, include: 'b', collection_id: notes.id });
    assert.equal(next.status, 204);
});

test('pending counts what passes the filter', async () => {
    const notes = await filled(typed);
    const answer = await notes.get({ include: 'a', limit: 1 });
    assert.deepEqual([ids(answer), answer.json.incomplete, answer.json.pending], [[1], true, 1]);
    assert.equal(answer.json.until, undefined);
});

test('answers to reads are never stored by a cache', async () => {
    const notes = await filled(three);
    for (const params of [{}, { since: 3, collection_id: notes.id }, { since: 'x' }]) {
        const answer = await notes.get(params);
        assert.equal(answer.headers['cache-control'], 'private, no-store');
    }
});

for (const name of ['since', 'limit', 'wait']) {
    for (const value of ['-1', '1.5', '1e3', 'x', '', '00', ' 1', '0x1', '99999999999999999999']) {
        test(`${name}=${JSON.stringify(value)} is 400 and names the parameter`, async () => {
            const answer = await fresh().get({ [name]: value });
            assert.deepEqual([answer.status, answer.json.error], [400, 'bad_parameter']);
            assert.match(answer.json.message, new RegExp(`^${name}: `));
        });
    }
}

test('a parameter given twice is 400', async () => {
    const answer = await fresh().get({ since: ['1', '2'] });
    assert.deepEqual([answer.status, answer.json.error], [400, 'bad_parameter']);
});

test('unknown parameters are ignored', async () => {
    const notes = await filled(three);
    assert.deepEqual(counters(await notes.get({ fresh: 'yes', since: 2 })), [3]);
});

for (const name of ['copy', 'paste', 'deprecate', 'backup-from-pos']) {
    test(`${name}, which only nodes use among themselves, is 404`, async () => {
        assert.equal((await fresh().get({ [name]: '1' })).status, 404);
    });
}

test('wait holds the request until something is appended', async () => {
    const notes = await filled(three);
    const waiting = notes.get({ since: 3, collection_id: notes.id, wait: 5 });
    const stored = await notes.post({ since: 3 }, [{ id: 4 }]);
    assert.deepEqual(stored.json.object_counters, [4]);
    const answer = await waiting;
    assert.deepEqual(ids(answer), [4]);
});

test('wait with something newer is answered at once', async () => {
    const notes = await filled(three);
    assert.deepEqual(ids(await notes.get({ since: 2, wait: 5 })), [3]);
});

test('wait is answered as without it when the time is over', async () => {
    const notes = await filled(three);
    const named = await notes.get({ since: 3, collection_id: notes.id, wait: 1 });
    assert.equal(named.status, 204);
    const unnamed = await notes.get({ since: 3, wait: 1 });
    assert.deepEqual([unnamed.status, unnamed.json.objects], [200, []]);
});

test('wait for a collection that begins meanwhile', async () => {
    const notes = fresh();
    const waiting = notes.get({ wait: 5 });
    await notes.post({}, [{ id: 'first' }]);
    const answer = await waiting;
    assert.ok(answer.json.objects.length <= 1);
    assert.deepEqual(ids(await notes.get()), ['first']);
});

test('a request that is held and sends more bytes is answered', async () => {
    const notes = await filled(three);
    const token = await login(server, notes.email);
    const connection = new RawConnection(server.port);
    const target = `${notes.path}?since=3&collection_id=${notes.id}&wait=5&auth=${token}`;
    connection.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\nGET /info HTTP/1.1\r\nHost: x\r\n\r\n`);
    await connection.waitFor(/204 No Content[^]*200 OK/, 4000);
    connection.destroy();
});

test('client_seq and mine tell a client what it stored itself', async () => {
    const notes = fresh();
    await notes.post({ client: 'phone', seq: 3 }, [{ id: 1 }, { id: 2 }]);
    await notes.post({ client: 'laptop', seq: 1, since: 2 }, [{ id: 3 }]);
    const answer = await notes.get({ client: 'phone' });
    assert.deepEqual([answer.json.client_seq, answer.json.mine], [3, [1, 2]]);
    const other = await notes.get({ client: 'laptop', since: 1 });
    assert.deepEqual([other.json.client_seq, other.json.mine], [1, [3]]);
    const stranger = await notes.get({ client: 'tablet' });
    assert.deepEqual([stranger.json.client_seq, stranger.json.mine], [0, []]);
});

test('HEAD answers like GET, without a body', async () => {
    const notes = await filled(three);
    const get = await notes.get();
    const head = await notes.raw('HEAD');
    assert.deepEqual([head.status, head.text], [200, '']);
    assert.equal(head.headers['content-length'], String(Buffer.byteLength(get.text)));
    const nothing = await notes.raw('HEAD', { params: { since: 3, collection_id: notes.id } });
    assert.equal(nothing.status, 204);
});

test('a large collection is read in pages without gap or repeat', async () => {
    const notes = fresh();
    for (let first = 0; first < 3000; first += 1000) {
        const batch = Array.from({ length: 1000 }, (_, i) => ({ id: first + i, data: 'x' }));
        const answer = await notes.post({ since: first, client: 'c', seq: first + 1 }, batch);
        assert.equal(answer.json.object_counters.length, 1000);
    }
    const seen = [];
    for (let since = 0, more = true; more; since = seen.at(-1)) {
        const answer = await notes.get({ since, limit: 700, client: 'c' });
        seen.push(...counters(answer));
        assert.deepEqual(answer.json.mine, counters(answer));
        more = answer.json.incomplete;
        assert.equal(answer.json.pending || 0, 3000 - seen.length);
    }
    assert.deepEqual(seen, Array.from({ length: 3000 }, (_, i) => i + 1));
});
