/* kill -9 while clients send blobs, in objects and as they are, and delete objects again. Whatever
 * was acknowledged has its blob, byte for byte; no object that can be read lacks its blob unless it
 * is deleted; and what is on disk adds up.
 *
 * KILL_ROUNDS says how often (20), KILL_SEED which random moments. */
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { execFile } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');
const { startServer, collection, BINARY } = require('../http/lib/server.js');
const { randomFrom } = require('./lib/oracle.js');

const ROUNDS = Number(process.env.KILL_ROUNDS || 20);
const SEED = Number(process.env.KILL_SEED || Date.now() % 1000000);
const CTL = process.env.CUTOUTCTL || path.join(path.dirname(BINARY), 'cutoutctl');
const ALL = 2 ** 52; /* above all counters: nothing is newer */
const TYPE = 'application/octet-stream';

const digest = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');

/* Its id says what its content is. */
async function sendInObject(notes, bytes) {
    return notes.post({ since: ALL }, [{
        id: digest(bytes), blob: { content_type: TYPE, data: bytes.toString('base64') },
    }]);
}

async function sendAsItIs(notes, bytes) {
    const id = digest(bytes);
    const sent = await notes.raw('POST',
        { params: { id }, headers: { 'Content-Type': TYPE }, body: bytes, suffix: '/+static/' });
    if (sent.status !== 201) return sent;
    return notes.post({ since: ALL }, [{ id, blob: { content_type: TYPE, href: sent.json.href } }]);
}

/* Until the connection breaks. */
async function work(notes, random, known, begun) {
    for (;;) {
        const bytes = crypto.randomBytes(1 + random(200000));
        const id = digest(bytes);
        const send = random(2) ? sendInObject : sendAsItIs;
        begun();
        const answer = await send(notes, bytes);
        assert.equal(answer.status, 200, answer.text);
        known.set(id, 'kept');
        if (random(3)) continue;
        known.set(id, 'unknown');
        begun();
        const gone = await notes.post({ since: ALL }, [{ id, deleted: true }]);
        assert.equal(gone.status, 200, gone.text);
        known.set(id, 'deleted');
    }
}

/* Two clients, until the server is killed while so many requests have been begun. */
async function workUntilKilled(server, notes, random, known) {
    let left = 2 + random(20);
    let killed;
    const begun = () => {
        if (--left === 0) killed = server.kill();
    };
    const results = await Promise.allSettled([0, 1].map(() => work(notes, random, known, begun)));
    for (const { reason } of results) {
        if (reason instanceof assert.AssertionError) throw reason;
    }
    await killed;
}

async function readAll(notes) {
    const newest = new Map();
    for (let since = 0, more = true; more;) {
        const { json } = await notes.get({ since });
        for (const [counter, object] of json.objects) {
            newest.set(object.id, object);
            since = counter;
        }
        more = json.incomplete;
    }
    return newest;
}

/* Blobs that `seen` has were found right before; it gets the others. */
async function checkAll(notes, server, known, seen) {
    const newest = await readAll(notes);
    for (const [id, state] of known) {
        if (state === 'kept') assert.ok(newest.get(id)?.blob, `${id} was acknowledged`);
        if (state === 'deleted') assert.ok(newest.get(id).deleted, `${id} was deleted`);
    }
    for (const [id, { blob }] of newest) {
        if (!blob || seen.has(id)) continue;
        const answer = await server.request('GET',
            `${new URL(blob.href).pathname}?auth=${encodeURIComponent(notes.token)}`);
        assert.equal(answer.status, 200, `${id}: ${answer.text.slice(0, 200)}`);
        assert.equal(digest(answer.body), id);
        seen.add(id);
    }
}

/* What a crash between a deletion and its tidying up has left is told, and is the only finding. */
async function checkDisk(server) {
    const output = await new Promise((resolve) => execFile(CTL, ['check', '-d', server.dataDir],
        (error, stdout, stderr) => resolve(stdout + stderr)));
    assert.match(output, /[1-9]\d* blobs/);
    const found = output.split('\n').filter((line) => /blobs\//.test(line) &&
        !/its object is deleted/.test(line));
    assert.deepEqual(found, [], output);
}

test(`${ROUNDS} kills leave no object without its blob (seed ${SEED})`, async (t) => {
    const random = randomFrom(SEED);
    const server = await startServer({ conf: 'checkpoint_interval 1s\n' });
    const known = new Map();
    const seen = new Set();
    let notes = collection(server);

    await notes.post({}, [{ id: 'first' }]);
    for (let round = 0; round < ROUNDS; round++) {
        await workUntilKilled(server, notes, random, known);
        await server.restart();
        notes = collection(server);
        await notes.get();
        await checkAll(notes, server, known, seen);
    }
    await checkAll(notes, server, known, new Set());
    await checkDisk(server);
    t.diagnostic(`${ROUNDS} kills, ${known.size} blobs`);
    await server.stop();
});
