/* Several servers on one data directory, and one after the other killed with kill -9 while clients
 * append: each client goes on with another server, and sends there again what was not answered. The
 * oracle is that of kill.test.js. From time to time all are killed, so that the first to start has to
 * mend what all of them left.
 *
 * SEVERAL_KILLS says how often (40), KILL_SEED which random moments; both are printed. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { startServer, collection, runToEnd } = require('../http/lib/server.js');
const { assertSound, Stream, Writer, randomFrom, readNew } = require('./lib/oracle.js');

const KILLS = Number(process.env.SEVERAL_KILLS || 40);
const SEED = Number(process.env.KILL_SEED || Date.now() % 1000000);
const SERVERS = 4;
const CLIENTS = 32;
const ALL_EVERY = 10; /* kills of one, then of all */
const USER = { email: 'ann@example.org', headers: { 'X-User': 'ann@example.org/app.example' } };
const CONF = 'dev_login off\ntrusted_user_header X-User\ntrusted_proxies 127.0.0.1\n' +
    'journal_bytes 1m\ncheckpoint_interval 1s\naccess_log off\n';

function freshDirectory() {
    return fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-several-'));
}

function startOne(dataDir, number) {
    return startServer({ conf: CONF, dataDir, keepData: true, args: ['-n', String(number)] });
}

/* Writes until told to stop; a broken connection sends it to another server. */
async function writeAlways(writer, servers, random, state) {
    while (!state.ended) {
        const running = servers.filter((server) => server.running && server.port);
        if (running.length === 0) {
            await state.someStarted();
            continue;
        }
        writer.connect(running[random(running.length)], USER);
        try {
            for (let i = 1 + random(20); i > 0 && !state.ended; i--) {
                await writer.write();
                if (state.onWrite) state.onWrite();
            }
        } catch (error) {
            if (error instanceof assert.AssertionError) {
                state.fail(error);
                return;
            }
        }
    }
}

class State {
    ended = false;
    onWrite = null;
    waiting = [];

    constructor() {
        this.failed = new Promise((resolve, reject) => { this.fail = reject; });
        this.failed.catch(() => { this.ended = true; });
    }

    /* Resolves after so many more answers, or when a client found something wrong. */
    writes(count) {
        return Promise.race([this.failed, new Promise((resolve) => {
            this.onWrite = () => { if (--count <= 0) resolve(); };
        })]);
    }

    someStarted() {
        return new Promise((resolve) => this.waiting.push(resolve));
    }

    started() {
        for (const resolve of this.waiting.splice(0)) resolve();
    }
}

async function killAndRestart(victims, state) {
    await Promise.all(victims.map((server) => server.kill()));
    await Promise.all(victims.map((server) => server.start()));
    state.started();
}

test(`${KILLS} kills of ${SERVERS} servers lose nothing (seed ${SEED})`, async (t) => {
    const random = randomFrom(SEED);
    const dataDir = freshDirectory();
    const servers = await Promise.all(Array.from({ length: SERVERS },
        (_, i) => startOne(dataDir, i + 1)));
    const streams = Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
        .map((bucket) => [bucket, new Stream()]));
    const buckets = Object.keys(streams);
    const writers = Array.from({ length: CLIENTS }, (_, i) => {
        const bucket = buckets[i % buckets.length];
        return new Writer(`w${i}`, bucket, streams[bucket], random);
    });
    const state = new State();
    const writing = Promise.all(writers.map((writer) => writeAlways(writer, servers, random, state)));

    for (let kill = 1; kill <= KILLS; kill++) {
        await state.writes(1 + random(60));
        await killAndRestart(kill % ALL_EVERY === 0 ? servers : [servers[random(SERVERS)]], state);
        if (kill % ALL_EVERY === 5) assertSound(dataDir);
        for (const [bucket, stream] of Object.entries(streams)) {
            await readNew(servers[random(SERVERS)], { ...USER, bucket }, stream);
        }
    }
    state.ended = true;
    state.started();
    await writing;
    for (const writer of writers) {
        writer.connect(servers[random(SERVERS)], USER);
        while (writer.pending) await writer.write();
    }
    let objects = 0;
    for (const [bucket, stream] of Object.entries(streams)) {
        for (const server of servers) {
            const whole = new Stream();
            await readNew(server, { ...USER, bucket }, whole);
            whole.acknowledged = stream.acknowledged;
            whole.check();
            objects = server === servers[0] ? objects + whole.read.size : objects;
        }
        stream.read.forEach((text, counter) => stream.acknowledged.set(counter, text));
    }
    t.diagnostic(`${KILLS} kills, ${objects} objects, 0 lost, 0 twice, 0 altered`);
    for (const server of servers) await server.stop();
    assert.deepEqual(leftSegments(dataDir), [], 'a clean end leaves no journal');
    assertSound(dataDir);
    fs.rmSync(dataDir, { recursive: true });
});

function leftSegments(dataDir) {
    return fs.readdirSync(path.join(dataDir, '.journal'), { recursive: true })
        .filter((name) => /[0-9a-f]{16}$/.test(name));
}

test('a read that waits at one server is answered by an append at another', async () => {
    const dataDir = freshDirectory();
    const [one, two] = [await startOne(dataDir, 1), await startOne(dataDir, 2)];
    const here = collection(one, USER);
    const there = collection(two, USER);
    const first = there.get({ wait: 50 });
    const { collection_id: id } = (await here.post({}, [{ id: 1 }])).json;
    assert.deepEqual((await first).json.objects, [[1, { id: 1 }]]);
    for (let since = 1; since < 20; since++) {
        const waiting = there.get({ since, collection_id: id, wait: 50 });
        await here.post({ since, collection_id: id }, [{ id: since + 1 }]);
        assert.deepEqual((await waiting).json.objects, [[since + 1, { id: since + 1 }]]);
    }
    const gone = there.get({ since: 20, collection_id: id, wait: 50 });
    await here.del({ reason: 'moved' });
    assert.deepEqual((await gone).json, { collection_deleted: { reason: 'moved' } });
    await Promise.all([one.stop(), two.stop()]);
    fs.rmSync(dataDir, { recursive: true });
});

test('reads at one server while another deletes and begins anew', async () => {
    const dataDir = freshDirectory();
    const [one, two] = [await startOne(dataDir, 1), await startOne(dataDir, 2)];
    const [here, there] = [collection(one, USER), collection(two, USER)];
    let ended = false;
    const reading = (async () => {
        while (!ended) {
            const answer = await there.get();
            assert.equal(answer.status, 200, answer.text);
            const counters = (answer.json.objects ?? []).map(([counter]) => counter);
            assert.deepEqual(counters, [...counters].sort((a, b) => a - b));
        }
    })();
    for (let round = 0; round < 60; round++) {
        assert.equal((await here.post({}, [{ id: 1 }, { id: 2 }])).status, 200);
        assert.equal((await here.post({ since: 1 << 30 }, [{ id: 3 }])).status, 200);
        assert.equal((await here.del({ round })).status, 200);
        assert.deepEqual((await there.get()).json, { collection_deleted: { round } });
    }
    ended = true;
    await reading;
    await Promise.all([one.stop(), two.stop()]);
    fs.rmSync(dataDir, { recursive: true });
});

test('what a server that died was writing is settled by the others', async () => {
    const dataDir = freshDirectory();
    const [one, two] = [await startOne(dataDir, 1), await startOne(dataDir, 2)];
    await collection(one, USER).post({}, [{ id: 1 }]);
    await one.kill();
    await two.waitForLog(/settled what 1 servers? left/);
    assert.deepEqual((await collection(two, USER).post({ since: 1 }, [{ id: 2 }])).json.object_counters,
        [2]);
    await two.stop();
    await one.start();
    assert.deepEqual((await collection(one, USER).get()).json.objects,
        [[1, { id: 1 }], [2, { id: 2 }]]);
    await one.stop();
    fs.rmSync(dataDir, { recursive: true });
});

test('a server alone and one of several do not share a directory', async () => {
    const dataDir = freshDirectory();
    const lines = (name) => `${CONF}listen 127.0.0.1:0\nadmin_listen 127.0.0.1:0\ndata_dir ${name}\n`;
    const several = await startOne(dataDir, 1);
    const alone = await runToEnd([], { conf: lines(dataDir) });
    assert.equal(alone.code, 1);
    assert.match(alone.stderr, /another cutoutd uses this data directory/);
    await several.stop();
    const first = await startServer({ conf: CONF, dataDir, keepData: true });
    const second = await runToEnd(['-n', '2'], { conf: lines(dataDir) });
    assert.equal(second.code, 1);
    assert.match(second.stderr, /started without -n/);
    await first.stop();
    fs.rmSync(dataDir, { recursive: true });
});
