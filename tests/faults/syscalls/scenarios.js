/* What a server does while a call fails. Each has prepare (before the fault), act (meanwhile; must
 * bear whatever comes), and recover (afterwards). */
'use strict';

const assert = require('node:assert/strict');
const { MEMORY } = require('./faults.js');
const { STORED, REFUSED, GIVE_UP_MS } = require('./run.js');

const PADDING = 'y'.repeat(700_000);

const write = {
    async prepare(run) {
        this.old = await run.filled('old');
        this.gone = await run.filled('gone');
        this.again = await run.filled('again');
        assert.equal(await run.delete(this.again), STORED);
        this.fresh = run.bucket('fresh');
    },
    async act(run) {
        await run.append(this.old, 3);
        await run.append(this.fresh);
        await run.delete(this.gone);
        if (await run.append(this.again) === STORED) {
            this.again.deleted = false;
            this.again.batches.shift();
        } else if (this.again.batches[1].outcome === undefined) {
            this.again.deleted = undefined;
            this.again.batches.shift();
        } else {
            this.again.batches = [];
        }
    },
    recover(run) {
        return run.recover([this.old, this.fresh, this.gone, this.again]);
    },
};

const read = {
    async prepare(run) {
        this.old = await run.filled('read');
        this.limit = await run.filled('list');
    },
    async act(run) {
        run.checkStatus(await run.ask('GET', this.old.name));
        run.checkStatus(await run.ask('GET', this.old.name, { since: 2, client: 'a' }));
        run.checkStatus(await run.ask('GET', ''));
        const held = run.ask('GET', this.old.name, { since: 3, wait: 1 });
        await run.append(this.old, 3);
        run.checkStatus(await held);
    },
    recover(run) {
        return run.recover([this.old, this.limit]);
    },
};

/* More than journal_bytes: the round begins by itself, and has an end, good or bad. */
const checkpoint = {
    async prepare(run) {
        this.old = await run.filled('synced');
        this.rounds = await this.count(run);
    },
    async count(run) {
        const { journal } = (await run.server.admin('/status')).json;
        return journal.checkpoints + journal.failed_checkpoints;
    },
    async act(run) {
        for (let i = 0; i < 2; i++) {
            const answer = await run.ask('POST', `big-${run.number++}`, {},
                JSON.stringify([{ id: 1, data: PADDING }]));
            run.checkStatus(answer);
            if (answer?.status !== 200) return;
        }
        for (let tries = 0; tries < 500; tries++) {
            if (await this.count(run).catch(() => 0) > this.rounds) return;
        }
    },
    recover(run) {
        return run.recover([this.old]);
    },
};

const reload = {
    async prepare(run) {
        this.old = await run.filled('reload');
        this.reloads = this.count(run);
    },
    count(run) {
        return (run.server.log.text.match(/reload: (done|nothing was changed)/g) ?? []).length;
    },
    async act(run) {
        run.server.signal('SIGHUP');
        const reloaded = run.server.log.waitFor(() => this.count(run) > this.reloads, 'reload',
            GIVE_UP_MS);
        /* Without memory the line that says so may be missing. */
        await (MEMORY.includes(run.call) ? reloaded.catch(() => {}) : reloaded);
    },
    recover(run) {
        return run.recover([this.old]);
    },
};

/* Longer than what is sent and compared in one piece; each id has a content of its own. */
const contentOf = (id) => Buffer.alloc(150_000, `${id} `);
const TYPE = 'application/octet-stream';
const ALL = 2 ** 52; /* above all counters: nothing is newer */

const blobs = {
    async prepare(run) {
        this.bucket = await run.filled('blobs');
        this.old = `old-${run.number++}`;
        this.gone = `gone-${run.number++}`;
        for (const id of [this.old, this.gone]) {
            assert.equal(await this.sendInObject(run, id), STORED, id);
        }
        this.href = (await this.objects(run)).find(({ id }) => id === this.old).blob.href;
        this.deleted = REFUSED;
    },
    sendInObject(run, id) {
        const blob = { content_type: TYPE, data: contentOf(id).toString('base64') };
        return run.post(this.bucket, [{ id, blob }], { since: ALL });
    },
    async sendAsItIs(run, id) {
        const sent = await run.ask('POST', `${this.bucket.name}/+static/`, { id }, contentOf(id), TYPE);
        run.checkStatus(sent);
        if (sent?.status !== 201) return;
        const blob = { content_type: TYPE, href: sent.json.href };
        await run.post(this.bucket, [{ id, blob }], { since: ALL });
    },
    async fetch(run, id, href) {
        const answer = await run.askFor('GET', new URL(href).pathname);
        run.checkStatus(answer);
        if (answer?.status === 200) assert.ok(answer.body.equals(contentOf(id)), `${id} is whole`);
        return answer;
    },
    async act(run) {
        await this.sendInObject(run, `in-${run.number++}`);
        await this.sendAsItIs(run, `raw-${run.number++}`);
        await this.fetch(run, this.old, this.href);
        const answer = await run.ask('POST', this.bucket.name, { since: ALL },
            JSON.stringify([{ id: this.gone, deleted: true }]));
        this.deleted = run.outcomeOf(answer);
    },
    async objects(run) {
        const { objects } = (await run.notes(this.bucket.name).get()).json;
        return objects.map(([, object]) => object);
    },
    /* Each object that can be read has its blob, whatever became of the requests. */
    async recover(run) {
        const objects = await this.objects(run);
        const isGone = objects.some(({ id, deleted }) => id === this.gone && deleted);
        if (this.deleted !== undefined) assert.equal(isGone, this.deleted, 'the deletion');
        for (const { id, blob } of objects.filter((object) => object.blob)) {
            if (id === this.gone && isGone) continue;
            assert.equal((await this.fetch(run, id, blob.href)).status, 200, id);
        }
        await run.recover([this.bucket]);
    },
};

module.exports = { write, read, checkpoint, reload, blobs };
