/* What most test files begin with: one server for all their tests, and for each test a bucket that
 * nobody else uses.
 *
 *     const { fresh } = shareServer();
 *     test('...', async () => { const notes = fresh(); await notes.post({}, [{ id: 'a' }]); });
 */
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { before } = require('node:test');
const { startServer, collection, login } = require('./server.js');

let buckets = 0;

/* options as for startServer. The server stands in .server when the first test begins. */
function shareServer(options) {
    const shared = {
        server: null,
        token: null, /* Ann's, for http://app.example */
        fresh(more = {}) {
            const bucket = `bucket-${++buckets}`;
            const token = more.email || more.domain ? undefined : shared.token;
            return collection(shared.server, { bucket, token, ...more });
        },
    };
    before(async () => {
        shared.server = await startServer(options);
        if (shared.server.devToken) shared.token = await login(shared.server, 'ann@example.org');
    });
    return shared;
}

/* Stores the arrays one after the other, as a client does that has seen everything, and resolves
 * with the id of the collection and the counters. */
async function fill(notes, ...arrays) {
    let since = 0, id;
    const counters = [];

    for (const array of arrays) {
        const answer = await notes.post({ since, collection_id: id }, array);
        assert.equal(answer.status, 200, answer.text);
        assert.ok(answer.json.object_counters, answer.text);
        counters.push(...answer.json.object_counters);
        since = counters.at(-1);
        id ??= answer.json.collection_id;
    }
    return { id, counters, last: since };
}

/* n objects with the ids o1, o2, ... */
function objects(n, more = {}) {
    return Array.from({ length: n }, (_, i) => ({ id: `o${i + 1}`, ...more }));
}

/* The counters of the objects in an answer, and the ids. */
const countersIn = (answer) => answer.json.objects.map(([counter]) => counter);
const idsIn = (answer) => answer.json.objects.map(([, object]) => object.id);

/* Resolves when count reads are held. Asks until it is so: there is no event to wait for. */
async function untilHeld(server, count) {
    const isHeld = (task) => task.kind === 'read' && task.step === 'wait_for_news';

    for (;;) {
        const status = await server.admin('/status');
        if (status.json.tasks.filter(isHeld).length === count) return;
    }
}

/* Everything below a directory: path -> kind, or hash of the content. */
function treeOf(directory) {
    const tree = {};

    for (const name of fs.readdirSync(directory, { recursive: true }).sort()) {
        const file = path.join(directory, name);
        const info = fs.lstatSync(file);
        tree[name] = info.isFile()
            ? crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex')
            : info.isDirectory() ? 'directory' : 'other';
    }
    return tree;
}

/* Status, code and what the message has to say. */
function assertError(answer, status, code, message = /./) {
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.equal(answer.json?.error, code, answer.text);
    assert.match(answer.json.message, message);
}

/* Nothing is stored in the collection, and there is no trace of it on disk. */
async function assertAbsent(notes) {
    assert.deepEqual((await notes.get()).json, { objects: [] });
}

module.exports = {
    shareServer, fill, objects, countersIn, idsIn, untilHeld, treeOf, assertError, assertAbsent,
};
