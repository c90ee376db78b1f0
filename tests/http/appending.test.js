/* docs/protocol.md, sections 5 and 6: each sentence of them is a test. */
'use strict';

const assert = require('node:assert/strict');
const { test, before, after } = require('node:test');
const { startServer, collection } = require('./lib/server.js');

let server;
let bucket = 0;

before(async () => {
    server = await startServer({
        conf: 'max_post_objects 100\nmax_object_bytes 10k\nmax_post_bytes 64k\n',
    });
});
after(() => server.stop());

const fresh = () => collection(server, { bucket: `appending-${++bucket}` });
const objectsOf = async (notes) => (await notes.get()).json.objects;

test('a counter for each object, in order', async () => {
    const notes = fresh();
    const answer = await notes.post({}, [{ id: 1 }, { id: 2 }]);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json.object_counters, [1, 2]);
    assert.deepEqual(await objectsOf(notes), [[1, { id: 1 }], [2, { id: 2 }]]);
});

test('without collection_id the answer has it, with it it does not', async () => {
    const notes = fresh();
    const first = await notes.post({}, [{ id: 1 }]);
    assert.match(first.json.collection_id, /^[0-9a-f]{32}$/);
    const second = await notes.post({ since: 1, collection_id: first.json.collection_id }, [{}]);
    assert.deepEqual(second.json, { object_counters: [2] });
});

test('something newer than since: nothing is stored, the answer is what was missed', async () => {
    const notes = fresh();
    await notes.post({}, [{ id: 1 }, { id: 2 }]);
    const answer = await notes.post({ since: 1 }, [{ id: 3 }]);
    assert.equal(answer.status, 200);
    assert.equal(answer.json.since_invalid, true);
    assert.equal(answer.json.invalid_since, true);
    assert.deepEqual(answer.json.objects, [[2, { id: 2 }]]);
    assert.equal((await objectsOf(notes)).length, 2);
});

test('the guard looks only at what include and exclude let through', async () => {
    const notes = fresh();
    await notes.post({}, [{ id: 1, type: 'a' }]);
    assert.ok((await notes.post({ include: 'a' }, [{ id: 2 }])).json.since_invalid);
    assert.ok((await notes.post({ exclude: 'b' }, [{ id: 2 }])).json.since_invalid);
    assert.deepEqual((await notes.post({ include: 'b' }, [{ id: 2 }])).json.object_counters, [2]);
    assert.deepEqual((await notes.post({ exclude: 'a', since: 2 }, [{ id: 3, type: 'a' }]))
        .json.object_counters, [3]);
});

test('the same (client, seq) again gives the counters stored then, whatever came since', async () => {
    const notes = fresh();
    const first = await notes.post({ client: 'c', seq: 1 }, [{ id: 1 }, { id: 2 }]);
    await notes.post({ since: 2 }, [{ id: 3 }]);
    const again = await notes.post({ client: 'c', seq: 1 }, [{ id: 1 }, { id: 2 }]);
    assert.deepEqual(again.json.object_counters, first.json.object_counters);
    assert.equal(again.json.client_seq, 1);
    const odd = await notes.post({ client: 'c', seq: 1, since: 99, collection_id: 'other' },
        [{ id: 1 }, { id: 2 }]);
    assert.deepEqual(odd.json.object_counters, first.json.object_counters);
    assert.equal((await objectsOf(notes)).length, 3);
});

test('client_seq is in every answer to a request with client', async () => {
    const notes = fresh();
    assert.equal((await notes.post({ client: 'c', seq: 5 }, [{ id: 1 }])).json.client_seq, 5);
    const refused = await notes.post({ client: 'c', seq: 6 }, [{ id: 2 }]);
    assert.deepEqual([refused.json.since_invalid, refused.json.client_seq, refused.json.mine],
        [true, 5, [1]]);
    assert.equal((await notes.get({ client: 'c' })).json.client_seq, 5);
});

test('a seq that is past and not known is 409', async () => {
    const notes = fresh();
    await notes.post({ client: 'c', seq: 5 }, [{ id: 1 }]);
    const answer = await notes.post({ client: 'c', seq: 4, since: 1 }, [{ id: 2 }]);
    assert.deepEqual([answer.status, answer.json.error], [409, 'seq_old']);
});

test('an older seq that was stored is still known', async () => {
    const notes = fresh();
    await notes.post({ client: 'c', seq: 1 }, [{ id: 1 }]);
    await notes.post({ client: 'c', seq: 2, since: 1 }, [{ id: 2 }]);
    assert.deepEqual((await notes.post({ client: 'c', seq: 1 }, [{ id: 1 }]))
        .json.object_counters, [1]);
});

test('an old client that lost the answer learns that its array was stored', async () => {
    const notes = fresh();
    await notes.post({}, [{ id: 0 }]);
    const array = [{ id: 1, data: { a: [1, 2] } }, { id: 2 }];
    const first = await notes.post({ since: 1 }, array);
    const again = await notes.post({ since: 1 }, JSON.stringify(array, null, 2));
    assert.deepEqual(again.json, first.json);
    assert.ok((await notes.post({ since: 1 }, array.slice(0, 1))).json.since_invalid);
    assert.ok((await notes.post({ since: 1 }, [...array, { id: 3 }])).json.since_invalid);
    assert.equal((await objectsOf(notes)).length, 3);
});

test('one bad object refuses the whole array, and is named', async () => {
    const notes = fresh();
    const answer = await notes.post({}, [{ id: 'good' }, { id: 'bad', type: 7 }, 3]);
    assert.deepEqual([answer.status, answer.json.error], [400, 'bad_objects']);
    assert.deepEqual(answer.json.errors.map(({ index, id, code }) => [index, id, code]),
        [[1, 'bad', 'bad_type'], [2, undefined, 'not_object']]);
    assert.deepEqual(await objectsOf(notes), []);
});

test('another collection_id: nothing is stored, the answer says changed', async () => {
    const notes = fresh();
    const { collection_id: id } = (await notes.post({}, [{ id: 1 }])).json;
    const answer = await notes.post({ since: 1, collection_id: 'other' }, [{ id: 2 }]);
    assert.deepEqual([answer.json.collection_changed, answer.json.collection_id], [true, id]);
    assert.deepEqual(answer.json.objects, [[1, { id: 1 }]]);
    assert.equal((await objectsOf(notes)).length, 1);
    const absent = await fresh().post({ collection_id: 'other' }, [{ id: 2 }]);
    assert.deepEqual(absent.json, { objects: [], collection_changed: true });
});

test('an empty array stores nothing', async () => {
    const notes = fresh();
    const answer = await notes.post({}, []);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json.object_counters, []);
    assert.deepEqual((await notes.get()).json, { objects: [] });
    await notes.post({}, [{ id: 1 }]);
    assert.deepEqual((await notes.post({ since: 0 }, [])).json.object_counters, []);
    await notes.post({ since: 1, client: 'c', seq: 4 }, [{ id: 2 }]);
    assert.deepEqual((await notes.post({ client: 'c', seq: 5 }, [])).json.client_seq, 4);
});

test('the content type does not matter', async () => {
    const notes = fresh();
    for (const type of ['text/plain', 'application/json', 'application/x-www-form-urlencoded']) {
        const since = (await objectsOf(notes)).length;
        const answer = await notes.raw('POST',
            { params: { since }, headers: { 'Content-Type': type }, body: '[{}]' });
        assert.equal(answer.json.object_counters.length, 1);
    }
});

test('a body over max_post_bytes is 413 and names the limit', async () => {
    const notes = fresh();
    const answer = await notes.post({}, JSON.stringify([{ data: 'x'.repeat(70000) }]));
    assert.deepEqual([answer.status, answer.json.error], [413, 'too_large']);
    assert.match(answer.json.message, /max_post_bytes/);
    assert.deepEqual(await objectsOf(notes), []);
});

test('more objects than max_post_objects is 413 and names the limit', async () => {
    const answer = await fresh().post({}, Array(101).fill({}));
    assert.equal(answer.status, 413);
    assert.match(answer.json.message, /max_post_objects/);
});

test('an object over max_object_bytes is 413, named, and the rest can be sent', async () => {
    const notes = fresh();
    const answer = await notes.post({}, [{ id: 'a' }, { id: 'b', data: 'x'.repeat(11000) }]);
    assert.equal(answer.status, 413);
    assert.match(answer.json.message, /max_object_bytes/);
    assert.deepEqual(answer.json.errors.map(({ index, id, code }) => [index, id, code]),
        [[1, 'b', 'too_large']]);
    assert.deepEqual((await notes.post({}, [{ id: 'a' }])).json.object_counters, [1]);
});

test('beyond quota_collection it is 507, named, and nothing is stored', async () => {
    const small = await startServer({ conf: 'quota_collection 1k\n' });
    const notes = collection(small, {});
    await notes.post({}, [{ id: 1, data: 'x'.repeat(900) }]);
    const answer = await notes.post({ since: 1 }, [{ id: 2, data: 'x'.repeat(900) }]);
    assert.deepEqual([answer.status, answer.json.error], [507, 'quota_exceeded']);
    assert.match(answer.json.message, /quota_collection/);
    assert.equal((await objectsOf(notes)).length, 1);
    await small.stop();
});

test('many clients at once: every object once, every counter once', async () => {
    const notes = fresh();
    await notes.get();
    await Promise.all(Array.from({ length: 8 }, async (_, client) => {
        let since = 0;
        for (let seq = 1; seq <= 10;) {
            const body = [{ id: `${client}-${seq}` }];
            const answer = await notes.post({ client: `c${client}`, seq: seq * 1000 + since, since },
                body);
            if (answer.json.object_counters) {
                [since] = answer.json.object_counters;
                seq++;
            } else {
                since = answer.json.objects.at(-1)[0];
            }
        }
    }));
    const objects = await objectsOf(notes);
    assert.equal(objects.length, 80);
    assert.equal(new Set(objects.map(([, object]) => object.id)).size, 80);
    assert.deepEqual(objects.map(([counter]) => counter), objects.map((_, i) => i + 1));
});

/* Section 6 */

test('deleting answers {} and keeps the reason', async () => {
    const notes = fresh();
    const { collection_id: id } = (await notes.post({}, [{ id: 1 }, { id: 2 }])).json;
    const reason = { reason: 'moved', client_id: 'phone' };
    const answer = await notes.del(reason);
    assert.deepEqual([answer.status, answer.json], [200, {}]);
    assert.deepEqual((await notes.get()).json, { collection_deleted: reason });
    assert.deepEqual((await notes.get({ since: 2, collection_id: id })).json,
        { collection_deleted: reason });
    assert.deepEqual((await notes.post({ since: 2, collection_id: id }, [{}])).json,
        { collection_deleted: reason });
    assert.deepEqual((await notes.post({ since: 2 }, [{}])).json, { collection_deleted: reason });
});

test('after deleting, a POST begins a new collection with higher counters', async () => {
    const notes = fresh();
    const { collection_id: id } = (await notes.post({}, [{ id: 1 }, { id: 2 }])).json;
    await notes.del({});
    const answer = await notes.post({ since: 0 }, [{ id: 3 }]);
    assert.deepEqual(answer.json.object_counters, [3]);
    assert.notEqual(answer.json.collection_id, id);
    assert.deepEqual(await objectsOf(notes), [[3, { id: 3 }]]);
    assert.ok((await notes.get({ since: 2, collection_id: id })).json.collection_changed);
});

test('GET with delete is 405 and deletes nothing', async () => {
    const notes = fresh();
    await notes.post({}, [{ id: 1 }]);
    const answer = await notes.get({ delete: '1' });
    assert.deepEqual([answer.status, answer.json.error], [405, 'method_not_allowed']);
    assert.match(answer.headers.allow, /POST/);
    assert.equal((await objectsOf(notes)).length, 1);
});

test('a deletion that names another collection is answered and deletes nothing', async () => {
    const notes = fresh();
    const { collection_id: old } = (await notes.post({}, [{ id: 1 }])).json;
    await notes.post({ delete: true, collection_id: old }, {});
    await notes.post({ since: 0 }, [{ id: 2 }]);
    const again = await notes.post({ delete: true, collection_id: old }, {});
    assert.deepEqual([again.status, again.json], [200, {}]);
    assert.deepEqual((await objectsOf(notes)).map(([, object]) => object), [{ id: 2 }]);
});

test('deleting what is not there is no error', async () => {
    assert.deepEqual((await fresh().del({})).json, {});
});

test('a reason that is no JSON object is 400 and deletes nothing', async () => {
    const notes = fresh();
    await notes.post({}, [{ id: 1 }]);
    for (const body of ['[]', '"x"', '{', 'reason=x']) {
        const answer = await notes.post({ delete: true }, body);
        assert.equal(answer.status, 400, body);
    }
    assert.equal((await objectsOf(notes)).length, 1);
});

test('a restart keeps all of it: objects, ids, deletions, seqs', async () => {
    const one = fresh();
    const two = fresh();
    const { collection_id: id } = (await one.post({ client: 'c', seq: 1 }, [{ id: 1 }])).json;
    await two.post({}, [{ id: 1 }]);
    await two.del({ reason: 'x' });
    await server.restart();
    one.token = undefined;
    two.token = undefined;
    assert.equal((await one.get()).json.collection_id, id);
    assert.deepEqual((await one.post({ client: 'c', seq: 1 }, [{ id: 1 }])).json.object_counters,
        [1]);
    assert.deepEqual((await two.get()).json, { collection_deleted: { reason: 'x' } });
});

test('a body larger than any buffer on its way is taken whole', async () => {
    const roomy = await startServer();
    const body = Array.from({ length: 16 }, (_, id) => ({ id, data: 'x'.repeat(500_000) }));
    const answer = await collection(roomy, {}).post({}, body);
    assert.equal(answer.json.object_counters?.length, 16, answer.text);
    await roomy.stop();
});
