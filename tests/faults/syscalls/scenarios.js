/* What a server does while a call fails. Each has prepare (before the fault), act (meanwhile; must
 * bear whatever comes), and recover (afterwards). */
'use strict';

const assert = require('node:assert/strict');
const { MEMORY } = require('./faults.js');
const { STORED, GIVE_UP_MS } = require('./run.js');

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

module.exports = { write, read, checkpoint, reload };
