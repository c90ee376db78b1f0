/* What clients were told, held against what the server has: for tests that kill it. */
'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { collection, ROOT } = require('../../http/lib/server.js');

/* mulberry32: small, and the same everywhere */
function randomFrom(seed) {
    let state = seed >>> 0;

    return (below) => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
    };
}

/* One stream as its clients know it: what was acknowledged, and what was read. */
class Stream {
    acknowledged = new Map(); /* counter -> object as JSON */
    read = new Map();
    ids = new Map(); /* id -> counter, of all that was read */
    seen = 0;

    acknowledge(counters, objects) {
        counters.forEach((counter, i) => {
            const text = JSON.stringify(objects[i]);
            const before = this.acknowledged.get(counter);
            assert.ok(before === undefined || before === text,
                `counter ${counter} was given twice: ${before} and ${text}`);
            this.acknowledged.set(counter, text);
        });
    }

    note(pairs) {
        for (const [counter, object] of pairs) {
            assert.ok(counter > this.seen, `counter ${counter} comes after ${this.seen}`);
            this.seen = counter;
            assert.ok(!this.ids.has(object.id),
                `${object.id} stands at ${this.ids.get(object.id)} and at ${counter}`);
            this.ids.set(object.id, counter);
            this.read.set(counter, JSON.stringify(object));
        }
    }

    check() {
        for (const [counter, text] of this.acknowledged)
            assert.equal(this.read.get(counter), text, `what was acknowledged as ${counter}`);
    }
}

/* A client that repeats an unanswered batch, byte for byte, until it knows what became of it. */
class Writer {
    since = 0;
    seq = 0;
    pending = null;
    made = 0;

    constructor(name, bucket, stream, random) {
        Object.assign(this, { name, bucket, stream, random });
    }

    connect(server, user) {
        this.notes = collection(server, { ...user, bucket: this.bucket });
    }

    nextBatch() {
        const objects = [];
        for (let i = this.random(3); i >= 0; i--) {
            objects.push({ id: `${this.name}-${++this.made}`, type: this.name,
                data: 'x'.repeat(this.random(300)) });
        }
        this.seq++;
        return { objects, body: JSON.stringify(objects), seq: this.seq, since: this.since,
            attempts: 0 };
    }

    /* One POST; throws when the connection breaks. */
    async write() {
        this.pending ??= this.nextBatch();
        const { body, seq, since, objects } = this.pending;
        this.pending.attempts++;
        const answer = await this.notes.post({ since, client: this.name, seq }, body);
        assert.equal(answer.status, 200, answer.text);
        if (answer.json.object_counters) {
            assert.equal(answer.json.object_counters.length, objects.length, answer.text);
            this.stream.acknowledge(answer.json.object_counters, objects);
            this.since = Math.max(this.since, ...answer.json.object_counters);
            this.pending = null;
            return;
        }
        assert.ok(answer.json.since_invalid, answer.text);
        assert.ok(answer.json.client_seq < seq, `refused, yet stored: ${answer.text}`);
        const mine = objects.filter((object) =>
            answer.json.objects.some(([, other]) => other.id === object.id));
        assert.deepEqual(mine, [], 'a refused batch was stored in part');
        this.since = answer.json.objects.at(-1)[0];
        this.pending = { ...this.pending, since: this.since, seq: ++this.seq };
    }
}

/* All that a stream has not seen. */
async function readNew(server, where, stream) {
    const notes = collection(server, where);

    for (;;) {
        const answer = await notes.get({ since: stream.seen });
        assert.equal(answer.status, 200, answer.text);
        stream.note(answer.json.objects);
        if (!answer.json.incomplete) return;
    }
}

/* cutoutctl finds nothing wrong, whether a server runs or not. */
function assertSound(dataDir) {
    const program = process.env.CUTOUTCTL || path.join(ROOT, 'build/cutoutctl');
    const { status, stdout, stderr } = spawnSync(program, ['check', '-d', dataDir],
        { encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
}

module.exports = { assertSound, Stream, Writer, randomFrom, readNew };
