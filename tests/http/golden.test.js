/* Directories of every released version of the file format: this server opens them, and a reader that
 * was written from docs/file-format.md alone agrees with it. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { execFileSync } = require('node:child_process');
const { test } = require('node:test');
const { startServer } = require('./lib/server.js');
const { open, post, objects, CONF } = require('../golden/scenes.js');
const { readCollections, readJournals } = require('../golden/reader.js');

const GOLDEN = path.join(__dirname, '..', 'golden');
const CUTOUTCTL = process.env.CUTOUTCTL || path.join(__dirname, '..', '..', 'build', 'cutoutctl');
const JUMP = 65536;
const versions = fs.readdirSync(GOLDEN).filter((name) => /^\d+$/.test(name));

const bucketOf = (name) => decodeURIComponent(name.split('/')[2]);

/* { bucket: Map of counter to object }, of what is in the files, then of what the journal adds. */
function readAll(dataDir) {
    const found = {};
    for (const [name, { state, records }] of Object.entries(readCollections(dataDir))) {
        if (state === 'live') found[bucketOf(name)] = new Map(records);
    }
    for (const frame of readJournals(dataDir).frames) {
        const bucket = bucketOf(frame.path);
        if (frame.kind === 'deletion') {
            delete found[bucket];
            continue;
        }
        found[bucket] ??= new Map();
        for (const [counter, object] of frame.records) found[bucket].set(counter, object);
    }
    return found;
}

function assertHolds(dataDir, expected) {
    const found = readAll(dataDir);
    const live = Object.entries(expected).filter(([, answer]) => answer.objects);
    assert.deepEqual(Object.keys(found).sort(), live.map(([bucket]) => bucket).sort());
    for (const [bucket, answer] of live) {
        assert.deepEqual([...found[bucket]], answer.objects, bucket);
    }
}

async function assertServes(server, expected) {
    for (const [bucket, answer] of Object.entries(expected)) {
        const now = await open(server, bucket).get({ since: 0 });
        assert.equal(now.status, 200);
        for (const [name, value] of Object.entries(answer)) {
            assert.deepEqual(now.json[name], value, `${bucket}: ${name}`);
        }
    }
}

/* What was lost we cannot know; so a counter above all that may have been given out. */
async function assertGoesOn(server, expected, jumps) {
    for (const [bucket, answer] of Object.entries(expected)) {
        if (!answer.objects) continue;
        const last = answer.objects.at(-1)[0];
        assert.deepEqual(await post(open(server, bucket), objects.first),
            [1, 2, 3].map((n) => last + (jumps ? JUMP : 0) + n), bucket);
    }
}

for (const version of versions) {
    for (const scene of fs.readdirSync(path.join(GOLDEN, version))) {
        const from = path.join(GOLDEN, version, scene);
        const expected = JSON.parse(fs.readFileSync(path.join(from, 'expected.json'), 'utf8'));

        test(`format ${version}, ${scene}: is read as it was written, and goes on`, async () => {
            const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-golden-'));
            const dataDir = path.join(directory, 'data');
            fs.cpSync(path.join(from, 'data'), dataDir, { recursive: true });
            fs.mkdirSync(path.join(dataDir, '.journal'), { recursive: true });
            assertHolds(dataDir, expected);
            const server = await startServer({ conf: CONF, dataDir, keepData: true });
            await assertServes(server, expected);
            await assertGoesOn(server, expected, scene === 'relaxed');
            await server.stop();
            execFileSync(CUTOUTCTL, ['check', '-d', dataDir], { stdio: 'pipe' });
            readCollections(dataDir);
            assert.deepEqual(readJournals(dataDir).frames, []);
            fs.rmSync(directory, { recursive: true });
        });
    }
}

test('there are golden directories, and all that a scene is meant to have', () => {
    assert.deepEqual(versions, ['1']);
    const data = (scene) => path.join(GOLDEN, '1', scene, 'data');
    const kinds = (scene) => new Set(readJournals(data(scene)).frames.map(({ kind }) => kind));
    const states = Object.values(readCollections(data('stopped'))).map(({ state }) => state);
    assert.deepEqual(states.sort(), ['deleted', 'live', 'live', 'live']);
    assert.deepEqual([...kinds('killed')].sort(), ['batch', 'deletion']);
    assert.equal(readJournals(data('several')).segments.length, 2);
    assert.ok(readJournals(data('relaxed')).segments.some(({ isRelaxed }) => isRelaxed));
    const notes = readCollections(data('killed'))['app.example/ann@example.org/notes'];
    assert.equal(notes.header.mark.count, 9);
    assert.deepEqual(notes.clients.map(({ seq }) => seq), [1, 2, 5]);
});
