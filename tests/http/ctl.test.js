/* cutoutctl: checking beside a server, and mending without one. docs/man/cutoutctl.1 */
'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { startServer, collection, withDeadline, ROOT } = require('./lib/server.js');

const PROGRAM = process.env.CUTOUTCTL || path.join(ROOT, 'build/cutoutctl');
const NOTES = 'app.example/ann@example.org/notes';
const SANITIZER_REPORT = /ERROR: \w+Sanitizer|runtime error:/;

/* Runs cutoutctl to its end: { code, stdout, stderr, lines }. */
async function ctl(...args) {
    const child = spawn(PROGRAM, args);
    const result = { code: null, stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => { result.stdout += chunk; });
    child.stderr.on('data', (chunk) => { result.stderr += chunk; });
    result.code = await withDeadline(new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('close', resolve);
    }), `cutoutctl ${args.join(' ')}`);
    assert.doesNotMatch(result.stderr, SANITIZER_REPORT);
    result.lines = result.stdout.split('\n').filter(Boolean);
    return result;
}

const json = (result) => result.lines.map((line) => JSON.parse(line));

function note(i) {
    if (i % 5 === 4) return { id: `n${i % 3}`, type: 'note', deleted: true };
    return { id: `n${i}`, type: i % 2 ? 'note' : 'list', data: { text: `käse ${i}`, more: [i, null] } };
}

/* A server with 20 notes, some sent with client and seq, and two other collections. */
async function fill(options) {
    const server = await startServer(options);
    const notes = collection(server);
    const sent = [];
    let id;
    for (let seq = 1; sent.length < 20; seq++) {
        const objects = Array.from({ length: seq % 3 + 1 }, (_, i) => note(sent.length + i));
        const params = { since: sent.length, collection_id: id };
        if (seq % 2) Object.assign(params, { client: 'phone', seq });
        const answer = await notes.post(params, objects);
        assert.equal(answer.status, 200, answer.text);
        id ??= answer.json.collection_id;
        sent.push(...objects);
    }
    await collection(server, { bucket: 'a/b' }).post({}, [{ id: 1 }]);
    const gone = collection(server, { email: 'bob@example.org' });
    await gone.post({}, [{ id: 1 }]);
    assert.equal((await gone.del({ reason: 'moved' })).status, 200);
    return { server, notes, sent, id, dir: server.dataDir, place: path.join(server.dataDir, NOTES) };
}

/* The same without the server running. */
async function fillAndStop() {
    const filled = await fill();
    await filled.server.stop();
    return filled;
}

function damage(file, at, change = (byte) => byte ^ 1) {
    const bytes = fs.readFileSync(file);
    bytes[at < 0 ? bytes.length + at : at] = change(bytes[at < 0 ? bytes.length + at : at]);
    fs.writeFileSync(file, bytes);
}

test('check finds a running server, a stopped one and a killed one sound', async () => {
    const { server, dir, sent } = await fill();
    let sum = json(await ctl('check', '-d', dir, '-j')).at(-1);
    assert.equal(sum.collections, 3);
    assert.equal(sum.records, sent.length + 1);
    assert.equal(sum.findings, 0);
    await server.kill();
    assert.equal((await ctl('check', '-d', dir)).code, 0);
    await server.start();
    await server.stop();
    const result = await ctl('check', '-d', dir, NOTES);
    assert.equal(result.code, 0, result.stdout);
    assert.match(result.stdout, /1 collections, 20 records, 0 blobs, \d+ bytes: sound/);
    sum = json(await ctl('check', '-j', path.join(dir, NOTES))).at(-1);
    assert.equal(sum.unsettled, 0);
});

test('check beside a server under load finds no damage', async () => {
    const server = await startServer({ conf: 'checkpoint_interval 1s\njournal_bytes 1m' });
    let writing = true;
    const writers = ['ann', 'bob', 'eve'].map(async (name) => {
        const notes = collection(server, { email: `${name}@example.org` });
        let since = 0, id;
        while (writing) {
            const answer = await notes.post({ since, collection_id: id, client: name, seq: since + 1 },
                [note(since), note(since + 1), { id: 'x', data: 'y'.repeat(20000) }]);
            assert.equal(answer.status, 200, answer.text);
            id ??= answer.json.collection_id;
            since = answer.json.object_counters.at(-1);
            if (since > 60 && name === 'eve') {
                await notes.del();
                since = 0;
                id = undefined;
            }
        }
    });
    for (let i = 0; i < 15; i++) {
        const result = await ctl('check', '-d', server.dataDir);
        assert.equal(result.code, 0, result.stdout + result.stderr);
    }
    writing = false;
    await Promise.all(writers);
});

test('dump prints what was posted, stat what there is', async () => {
    const { server, dir, sent, id } = await fill();
    const expected = sent.map((object, i) => [i + 1, object]);
    assert.deepEqual(json(await ctl('dump', '-d', dir, NOTES)), expected);
    await server.stop();
    assert.deepEqual(json(await ctl('dump', `${dir}/${NOTES}/`)), expected);
    const index = (await ctl('dump', '--index', '-d', dir, NOTES)).lines;
    assert.match(index[0], new RegExp(`id ${id}, generation 1, checkpoint at entry \\d+`));
    const commits = index.filter((line) => / --EC .* seq \d+ /.test(line));
    assert.equal(commits.length, 5);
    assert.equal(index.length, 2 + sent.length + commits.length);
    const [stat] = json(await ctl('stat', '-j', '-d', dir, NOTES));
    assert.equal(stat.id, id);
    assert.equal(stat.records, sent.length);
    assert.equal(stat.entries, sent.length + commits.length);
    assert.equal(stat.checkpoint, stat.entries);
    assert.equal(stat.last_counter, sent.length);
    assert.equal(stat.record_bytes, fs.statSync(path.join(dir, NOTES, 'database.1')).size);
    const all = json(await ctl('stat', '-j', '-d', dir));
    assert.deepEqual(all.map((one) => one.state), ['live', 'live', 'deleted']);
    assert.deepEqual(all[2].reason, { reason: 'moved' });
    assert.match((await ctl('stat', '-d', dir, NOTES)).stdout, /last counter {2}20\n/);
});

test('damage is told with file, offset and what to do, and status 1', async () => {
    const { dir, place } = await fillAndStop();
    damage(path.join(place, 'database.1'), 40);
    const result = await ctl('check', '-j', '-d', dir);
    assert.equal(result.code, 1);
    const [finding, sum] = json(result);
    assert.equal(finding.file, `${NOTES}/database.index`);
    assert.equal(finding.offset, 128);
    assert.match(finding.what, /checksum/);
    assert.match(finding.todo, /cutoutctl repair/);
    assert.equal(sum.findings, 1);
    assert.match((await ctl('check', place)).stdout, /at byte 128: .*\n {4}what to do: /);
    fs.writeFileSync(path.join(place, 'stray'), 'x');
    assert.equal(json(await ctl('check', '-j', '-d', dir, NOTES)).length, 3);
    const dump = await ctl('dump', '-d', dir, NOTES);
    assert.equal(dump.code, 1);
    assert.match(dump.stderr, /does not match its checksum/);
});

test('repair brings back all sound records, and clients start over', async () => {
    const { server, notes, place, sent, id, dir } = await fillAndStop();
    damage(path.join(place, 'database.1'), 60);
    const result = await ctl('repair', '-d', dir, NOTES);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assert.match(result.stdout, /lost: counter 1, /);
    assert.match(result.stdout, /19 records are there, 1 are lost/);
    assert.equal((await ctl('check', '-d', dir)).code, 0);
    await server.start();
    notes.token = undefined;
    const answer = await notes.get({ since: 20, collection_id: id });
    assert.equal(answer.json.collection_changed, true);
    assert.notEqual(answer.json.collection_id, id);
    assert.deepEqual(answer.json.objects.map(([, object]) => object), sent.slice(1));
    const [last] = answer.json.objects.at(-1);
    assert.ok(last > 65536);
    const posted = await notes.post(
        { since: last, collection_id: answer.json.collection_id }, [sent[0]]);
    assert.deepEqual(posted.json.object_counters, [last + 1]);
    const [kept] = fs.readdirSync(place).filter((name) => name.startsWith('repair-'));
    assert.deepEqual(fs.readdirSync(path.join(place, kept)).sort(),
        ['collection.json', 'database.1', 'database.index']);
    assert.equal((await ctl('check', '-d', dir)).code, 0);
});

test('repair makes a lost index anew', async () => {
    const { server, notes, place, sent, dir } = await fillAndStop();
    fs.rmSync(path.join(place, 'database.index'));
    assert.equal((await ctl('repair', '-d', dir, NOTES)).code, 0);
    await server.start();
    notes.token = undefined;
    const answer = await notes.get();
    assert.deepEqual(answer.json.objects.map(([, object]) => object), sent);
});

test('repair mends the index alone without anybody noticing', async () => {
    const { server, notes, place, sent, id, dir } = await fillAndStop();
    damage(path.join(place, 'database.index'), 128 + 40 * 3 + 8);
    const result = await ctl('repair', '-d', dir, NOTES);
    assert.match(result.stdout, /20 records are there, 0 are lost/);
    await server.start();
    notes.token = undefined;
    assert.equal((await notes.get({ since: 20, collection_id: id })).status, 204);
    const again = await notes.post({ since: 0, collection_id: id, client: 'phone', seq: 1 },
        sent.slice(0, 2));
    assert.deepEqual(again.json.object_counters, [1, 2]);
});

test('repair wants to be alone, and the journal to be empty', async () => {
    const { server, dir } = await fill();
    let result = await ctl('repair', '-d', dir, NOTES);
    assert.equal(result.code, 2);
    assert.match(result.stderr, /uses this data directory/);
    await server.kill();
    result = await ctl('repair', '-d', dir, NOTES);
    assert.equal(result.code, 2);
    assert.match(result.stderr, /journal.*start the server once/);
    await server.start();
    await server.stop();
    result = await ctl('repair', '-d', dir, NOTES);
    assert.equal(result.code, 0);
    assert.match(result.stdout, /sound: nothing was done/);
});

test('a wrong command line, or nothing to look at, is status 2', async () => {
    const { dir } = await fillAndStop();
    for (const args of [[], ['nonsense'], ['check', '-x'], ['repair', '-d', dir], ['dump'],
        ['repair', '-j', NOTES], ['check', '--index'], ['check', 'a', 'b'], ['check', '-d'],
        ['check', '-d', dir, 'notes'], ['check', '-d', dir, '../x/y'],
        ['check', '-d', `${dir}/missing`], ['check', '-d', dir, 'a.org/b@c.org/none'],
        ['repair', '-d', dir, 'a.org/b@c.org/none'], ['repair', '-d', `${dir}/missing`, NOTES],
        ['dump', '-d', dir, 'a.org/b@c.org/none'], ['stat', '-d', dir, 'a.org/b@c.org/none'],
        ['stat', '-d', dir, '/tmp'], ['stat', '-d', '/tmp', `${dir}/${NOTES}`]]) {
        const result = await ctl(...args);
        assert.equal(result.code, 2, args.join(' '));
        assert.match(result.stderr, /^cutoutctl: /, args.join(' '));
    }
    assert.equal(fs.existsSync(`${dir}/missing`), false);
    assert.match((await ctl('--help')).stdout, /^usage: cutoutctl/);
    assert.match((await ctl('-V')).stdout, /^cutoutctl \d/);
});
