/* What `durability interval` and `off` say, and what a kill takes away under them: nothing. */
'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { startServer, runToEnd, collection } = require('./lib/server.js');
const { objects } = require('./lib/shared.js');

const statusOf = async (server) => (await server.admin('/status')).json;
const metric = async (server, name) =>
    (await server.admin('/metrics')).text.match(new RegExp(`^${name} (\\S+)$`, 'm'))?.[1];

/* A collection that is there: making it is synced always. */
async function begin(conf) {
    const server = await startServer({ conf: `checkpoint_interval 1h\n${conf}\n` });
    const notes = collection(server);
    assert.equal((await notes.post({ since: 0 }, objects(1))).status, 200);
    return { server, notes };
}

for (const mode of ['off', 'interval 1h']) {
    test(`durability ${mode}: answers before it syncs, and says so`, async () => {
        const { server, notes } = await begin(`durability ${mode}`);
        const before = await statusOf(server);
        assert.equal(before.durability, mode);
        assert.equal(before.journal.unsynced_bytes, 0);
        assert.deepEqual((await notes.post({ since: 1 }, objects(3))).json.object_counters, [2, 3, 4]);
        const { journal } = await statusOf(server);
        assert.ok(journal.unsynced_bytes > 0);
        assert.equal(await metric(server, 'cutout_journal_unsynced_bytes'),
            String(journal.unsynced_bytes));
        assert.equal(await metric(server, `cutout_durability{mode="${mode.split(' ')[0]}"}`), '1');
        assert.match(server.stderr, new RegExp(`durability ${mode}: a power cut may take back`));
        await server.stop();
    });

    test(`durability ${mode}: kill -9 takes nothing back`, async () => {
        const { server, notes } = await begin(`durability ${mode}`);
        for (let last = 1; last < 31; last += 3) {
            assert.equal((await notes.post({ since: last }, objects(3))).status, 200);
        }
        await server.kill();
        await server.start();
        const again = collection(server);
        const { json } = await again.get({ since: 0 });
        assert.deepEqual(json.objects.map(([counter]) => counter),
            Array.from({ length: 31 }, (_, i) => i + 1));
        assert.doesNotMatch(server.stderr, /may be lost/);
        assert.deepEqual((await again.post({ since: 31 }, objects(1))).json.object_counters, [32]);
        await server.stop();
    });
}

test('durability interval: what was answered is synced by and by', async () => {
    const { server, notes } = await begin('durability interval 10ms');
    const syncs = async () => Number(await metric(server, 'cutout_journal_sync_seconds_count'));
    const before = await syncs();
    assert.equal((await notes.post({ since: 1 }, objects(3))).status, 200);
    while ((await statusOf(server)).journal.unsynced_bytes > 0) { /* asks again */ }
    assert.ok(await syncs() > before);
    await server.stop();
});

test('durability always: nothing that was answered is unsynced', async () => {
    const { server, notes } = await begin('');
    assert.equal((await notes.post({ since: 1 }, objects(3))).status, 200);
    const { durability, journal } = await statusOf(server);
    assert.deepEqual([durability, journal.unsynced_bytes, journal.unsynced_ms], ['always', 0, 0]);
    assert.doesNotMatch(server.stderr, /power cut/);
    await server.stop();
});

test('the latencies of syncs are a histogram that adds up', async () => {
    const { server, notes } = await begin('');
    for (let last = 1; last < 10; last++) await notes.post({ since: last }, objects(1));
    const { text } = await server.admin('/metrics');
    const counts = [...text.matchAll(/^cutout_journal_sync_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm)]
        .map(([, bound, count]) => [bound === '+Inf' ? Infinity : Number(bound), Number(count)]);
    const sum = Number(text.match(/^cutout_journal_sync_seconds_sum (\S+)$/m)[1]);
    assert.deepEqual(counts, [...counts].sort((a, b) => a[0] - b[0] || a[1] - b[1]));
    assert.equal(counts.at(-1)[0], Infinity);
    assert.equal(String(counts.at(-1)[1]), await metric(server, 'cutout_journal_sync_seconds_count'));
    assert.ok(counts.at(-1)[1] >= 10 && sum > 0);
    await server.stop();
});

test('what is not safe with servers that share a directory is refused', async () => {
    for (const mode of ['off', 'interval 1s']) {
        const end = await runToEnd(['-n', '1'], { conf: `listen 127.0.0.1:0\ndurability ${mode}\n` });
        assert.equal(end.code, 1);
        assert.match(end.stderr, /durability: .*not for servers that share a data directory \(-n\)/);
    }
});
