/* kill -9 while four clients append, again and again. What the clients were told is the oracle: no
 * acknowledged object is missing, none is there twice, none is altered, counters only grow, and a
 * batch without an answer is there whole or not at all.
 *
 * KILL_ROUNDS says how often (200), KILL_SEED which random moments; both are printed. */
'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { startServer } = require('../http/lib/server.js');
const { Stream, Writer, randomFrom, readNew } = require('./lib/oracle.js');

const ROUNDS = Number(process.env.KILL_ROUNDS || 200);
const SEED = Number(process.env.KILL_SEED || Date.now() % 1000000);
const WRITERS = 4;
const USER = { email: 'ann@example.org' };
const REQUESTS_MOST = 40; /* of a round, before the kill */

/* All four write until the kill; each stops at its first broken connection. */
async function writeUntilKilled(server, writers, requests) {
    let left = requests;
    let killed = null;

    await Promise.all(writers.map(async (writer) => {
        try {
            for (;;) {
                const writing = writer.write();
                if (--left === 0) killed = server.kill();
                await writing;
            }
        } catch (error) {
            if (error instanceof assert.AssertionError) throw error;
        }
    }));
    await killed;
}

test(`${ROUNDS} kills lose nothing (seed ${SEED})`, async (t) => {
    const random = randomFrom(SEED);
    const streams = { own: new Stream(), other: new Stream(), shared: new Stream() };
    const buckets = ['own', 'other', 'shared', 'shared'];
    const writers = buckets.map((bucket, i) =>
        new Writer(`w${i}`, bucket, streams[bucket], random));
    assert.equal(writers.length, WRITERS);
    const server = await startServer({ conf: 'journal_bytes 1m\ncheckpoint_interval 1s\n' });

    for (let round = 0; round < ROUNDS; round++) {
        writers.forEach((writer) => writer.connect(server, USER));
        await writeUntilKilled(server, writers, 1 + random(REQUESTS_MOST));
        await server.restart();
        for (const [bucket, stream] of Object.entries(streams)) {
            await readNew(server, { ...USER, bucket }, stream);
            stream.check();
        }
    }
    /* Every batch that never got an answer can still be told stored or not. */
    for (const writer of writers) {
        writer.connect(server, USER);
        while (writer.pending) await writer.write();
    }
    let objects = 0;
    for (const bucket of Object.keys(streams)) {
        const whole = new Stream();
        await readNew(server, { ...USER, bucket }, whole);
        whole.acknowledged = streams[bucket].acknowledged;
        whole.check();
        objects += whole.read.size;
    }
    t.diagnostic(`${ROUNDS} kills, ${objects} objects, 0 lost, 0 twice, 0 altered`);
    await server.stop();
});
