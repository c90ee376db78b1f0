/* A disk without a free byte: reads go on, appends are refused and nothing of them stays, deleting
 * works and makes room, and when there is room all goes on by itself.
 *
 * On a small tmpfs in a mount namespace of its own; where that may not be made, or with
 * SMALL_DISK=counted, the preloaded library counts bytes instead (../fail.c). */
'use strict';

const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { once } = require('node:events');
const { after, test } = require('node:test');
const { startServer, collection, login, withDeadline, DEADLINE_MS } =
    require('../../http/lib/server.js');
const { Faults } = require('./faults.js');

const SIZE = 12 << 20;
const EMAIL = 'ann@example.org';
const REFUSALS = 20; /* until which each writer goes on */
const CAN_MOUNT = process.env.SMALL_DISK !== 'counted' &&
    spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', os.tmpdir()]).status === 0;

/* The mount lives as long as a process in its namespace: one that waits for the end of its input. */
class MountedDisk {
    env = {};

    async open() {
        this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-disk-'));
        this.holder = spawn('unshare', ['-rm', 'sh', '-c',
            'mount -t tmpfs -o size="$1" none "$2" && echo mounted && exec cat', 'sh',
            String(SIZE), this.directory], { stdio: ['pipe', 'pipe', 'inherit'] });
        await withDeadline(once(this.holder.stdout, 'data'), 'mounting a tmpfs');
        this.wrap = ['nsenter', '-t', String(this.holder.pid), '-U', '-m', '--preserve-credentials'];
        this.dataDir = path.join(this.directory, 'data');
        this.inside = `/proc/${this.holder.pid}/root${this.directory}`;
        return this;
    }

    /* Bytes that are free. */
    get room() {
        const { bavail, bsize } = fs.statfsSync(this.inside);
        return bavail * bsize;
    }

    /* Somebody else takes all there is. */
    fill() {
        const fd = fs.openSync(path.join(this.inside, 'filler'), 'a');
        const bytes = Buffer.alloc(65536);
        try {
            for (;;) fs.writeSync(fd, bytes);
        } catch (error) {
            assert.equal(error.code, 'ENOSPC');
        }
        fs.closeSync(fd);
    }

    empty() {
        fs.rmSync(path.join(this.inside, 'filler'));
    }

    close() {
        this.holder.stdin.end();
        fs.rmSync(this.directory, { recursive: true });
    }
}

class CountedDisk {
    wrap = [];

    async open() {
        this.faults = new Faults();
        this.env = this.faults.env;
        this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-disk-'));
        this.dataDir = path.join(this.directory, 'data');
        this.faults.setRoom(SIZE);
        return this;
    }

    get room() {
        return this.faults.getRoom();
    }

    fill() {
        this.faults.setRoom(0);
    }

    empty() {
        this.faults.setRoom(SIZE);
    }

    close() {
        this.faults.close();
        fs.rmSync(this.directory, { recursive: true });
    }
}

const disks = [];

function newDisk() {
    disks.push(CAN_MOUNT ? new MountedDisk() : new CountedDisk());
    return disks.at(-1).open();
}

/* Behind the hook that stops the servers. */
after(() => disks.forEach((disk) => disk.close()));

const startOn = async (disk) => {
    const server = await startServer({ dataDir: disk.dataDir, wrap: disk.wrap, env: disk.env,
        conf: 'journal_bytes 1m\n', expectErrors: [/journal|checkpoint|replayed/] });
    server.token = await login(server, EMAIL);
    return server;
};

const notes = (server, bucket) => collection(server, { email: EMAIL, bucket, token: server.token });

/* One collection and who writes to it: what was stored has to be there, and nothing else. */
class Writer {
    since = 0;
    made = 0;
    refused = 0;
    stored = [];

    constructor(bucket, size) {
        this.bucket = bucket;
        this.object = { data: 'z'.repeat(size) };
    }

    async write(server) {
        const id = ++this.made;
        const answer = await notes(server, this.bucket).post(
            this.since ? { since: this.since } : {}, [{ id, ...this.object }]);
        if (answer.status === 507) {
            assert.equal(answer.json.error, 'no_space', answer.text);
            this.refused++;
            return false;
        }
        assert.equal(answer.status, 200, answer.text);
        assert.ok(answer.json.object_counters, answer.text);
        [this.since] = answer.json.object_counters;
        this.stored.push(id);
        return true;
    }

    async check(server) {
        const ids = [];
        let since = 0;
        for (let more = true; more;) {
            const answer = await notes(server, this.bucket).get({ since });
            assert.equal(answer.status, 200, answer.text);
            for (const [counter, { id, data }] of answer.json.objects) {
                assert.equal(data, this.object.data);
                ids.push(id);
                since = counter;
            }
            more = answer.json.incomplete;
        }
        assert.deepEqual(ids, this.stored, this.bucket);
    }
}

/* Until all of them have been refused often; one reads meanwhile. */
async function writeUntilFull(server, writers) {
    let writing = writers.length;
    const reading = (async () => {
        while (writing > 0) {
            const answer = await notes(server, 'steady').get();
            assert.equal(answer.status, 200, answer.text);
            assert.equal(answer.json.objects.length, 1);
        }
    })();
    await Promise.all(writers.map(async (writer) => {
        try {
            while (writer.refused < REFUSALS) await writer.write(server);
        } finally {
            writing--;
        }
    }));
    await reading;
}

async function becomeReady(server) {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
        const answer = await server.admin('/ready');
        if (answer.status === 200) return;
        assert.ok(Date.now() < deadline, answer.text);
    }
}

async function fillByWriting(disk, server) {
    const writers = [1, 2, 3, 4].map((i) => new Writer(`load-${i}`, 20_000 + 1000 * i));
    assert.equal((await notes(server, 'steady').post({}, [{ id: 1 }])).status, 200);
    await writeUntilFull(server, writers);
    for (const writer of writers) await writer.check(server);
    const { bucket } = writers.pop();
    assert.equal((await notes(server, bucket).del()).status, 200);
    await becomeReady(server);
    disk.fill();
    return writers;
}

/* A checkpoint may give back room behind our backs, which is then filled, too. */
async function isRefusedWhenFull(disk, server, writer) {
    for (let tries = 0; tries < 50; tries++) {
        const stored = await writer.write(server);
        if (!stored && (await server.admin('/ready')).status === 503) return;
        disk.fill();
    }
    assert.fail('appends are taken on a full disk');
}

test(`a full disk is freed by deleting, and writing goes on (${CAN_MOUNT ? 'tmpfs' : 'counted'})`,
    async () => {
        const disk = await newDisk();
        const server = await startOn(disk);
        const writers = await fillByWriting(disk, server);

        await isRefusedWhenFull(disk, server, writers[0]);
        for (const i of [0, 1]) {
            const { bucket } = writers[i];
            const answer = await notes(server, bucket).del({ why: 'room' });
            assert.equal(answer.status, 200, answer.text);
            assert.deepEqual((await notes(server, bucket).get()).json,
                { collection_deleted: { why: 'room' } });
            disk.fill();
        }
        for (const writer of writers.slice(2)) {
            await isRefusedWhenFull(disk, server, writer);
            await writer.check(server);
        }
        disk.empty();
        await becomeReady(server);
        for (const writer of writers.slice(2)) assert.equal(await writer.write(server), true);
        assert.equal((await notes(server, writers[0].bucket).post({}, [{ id: 1 }])).status, 200);

        await server.restart();
        server.token = await login(server, EMAIL);
        for (const writer of writers.slice(2)) await writer.check(server);
        await server.stop();
    });

for (const end of ['stop', 'kill']) {
    test(`a server starts on a full disk after a ${end}, and serves and deletes`, async () => {
        const disk = await newDisk();
        const server = await startOn(disk);
        const writers = await fillByWriting(disk, server);

        await server[end]();
        disk.fill();
        await server.start();
        server.token = await login(server, EMAIL);
        for (const writer of writers) await writer.check(server);
        assert.equal((await notes(server, writers[0].bucket).del()).status, 200);
        disk.empty();
        await becomeReady(server);
        for (const writer of writers.slice(1)) {
            assert.equal(await writer.write(server), true);
            await writer.check(server);
        }
        await server.stop();
    });
}
