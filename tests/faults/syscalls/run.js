/* One server, one fault after the other, and what has to be true after each of them:
 *  - the server lives, no sanitizer has complained, no descriptor is left over;
 *  - each answer had the right status;
 *  - without the fault it works again by itself;
 * and after a start without faults
 *  - what was stored is there, what was refused is not, and of what nobody knows all or nothing. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const { startServer, collection, login, request, DEADLINE_MS, PATIENCE } =
    require('../../http/lib/server.js');
const { Faults, FULL, MEMORY, errnoName } = require('./faults.js');

const EMAIL = 'ann@example.org';
const ANYTHING = [/./];
/* Short, so that a connection whose events failed is soon given up by the server. */
const CONF = 'idle_timeout 1s\ntransfer_timeout 1s\ncheckpoint_interval 1h\njournal_bytes 1m\n' +
    'helper_threads 2\n';
const GIVE_UP_MS = 1500 * PATIENCE;

/* 200 and 204; false: refused; undefined: nobody knows. */
const STORED = true, REFUSED = false;

class Run {
    constructor(scenario, call) {
        this.scenario = scenario;
        this.call = call;
        this.buckets = [];
        this.number = 0;
    }

    async open({ dataDir, conf = '' } = {}) {
        this.faults = new Faults();
        this.server = await startServer({ conf: CONF + conf, dataDir, env: this.faults.env,
            expectErrors: ANYTHING });
        await this.settle();
    }

    /* After a start: logs in, and counts what is open when nothing goes on. */
    async settle() {
        this.token = await login(this.server, EMAIL);
        await this.notes('warm').post({}, [{}]);
        this.baseline = Infinity;
        for (let i = 0; i < 5; i++) {
            await this.server.admin('/health');
            this.baseline = Math.min(this.baseline, this.countDescriptors());
        }
    }

    notes(bucket) {
        return collection(this.server, { email: EMAIL, bucket, token: this.token });
    }

    countDescriptors() {
        return fs.readdirSync(`/proc/${this.server.child.pid}/fd`).length;
    }

    /* What this fault is called in messages. */
    describe() {
        const { at, errno, forever } = this.fault;
        return `${this.scenario}: ${this.call} ${at}${forever ? ' and all after it' : ''}: ` +
            errnoName(errno);
    }

    arm(fault) {
        this.fault = { ...fault, call: this.call };
        this.faults.arm(this.fault);
    }

    /* A request that may come to nothing: its answer, or undefined. */
    ask(method, bucket, params = {}, body = undefined, type = 'application/json') {
        return this.askFor(method, `/app.example/${encodeURIComponent(EMAIL)}/${bucket}`, params,
            body, type);
    }

    async askFor(method, pathname, params = {}, body = undefined, type = undefined) {
        const query = new URLSearchParams({ ...params, auth: this.token }).toString();
        const agent = new http.Agent();
        const url = `${this.server.url}${pathname}?${query}`;
        let timer;
        const late = new Promise((resolve) => {
            timer = setTimeout(resolve, GIVE_UP_MS);
        });
        try {
            return await Promise.race([late, request(url, { method, agent, body,
                headers: body ? { 'Content-Type': type } : {} })
                .catch(() => undefined)]);
        } finally {
            clearTimeout(timer);
            agent.destroy();
        }
    }

    /* With this errno, may this be said? */
    checkStatus(answer) {
        if (!answer || answer.status < 300 || this.isClosed(answer)) return;
        const isFull = FULL.includes(this.fault.errno) && !this.isUnknown(answer);
        assert.equal(answer.status, isFull ? 507 : 503, answer.text);
    }

    /* A write that could be neither done nor undone closes its collection until a restart; that takes
     * more than one fault. */
    isClosed({ status, json }) {
        return this.fault.forever && status === 500 && json?.error === 'damaged';
    }

    /* docs/protocol.md: with 503 it may be unknown. But only if there is no memory to say it, or if a
     * write could not be undone, which takes more than one fault. */
    isUnknown(answer) {
        return answer.status === 503 && (MEMORY.includes(this.call) ||
            (this.fault.forever && answer.json?.error === 'io'));
    }

    outcomeOf(answer) {
        this.checkStatus(answer);
        if (!answer) return undefined;
        if (answer.status < 300) return STORED;
        return this.isUnknown(answer) ? undefined : REFUSED;
    }

    /* Three objects, all or none. Notes what became of them for the end. */
    async append(bucket, since = undefined) {
        const objects = [1, 2, 3].map((i) => ({ id: `${this.number}-${i}`, data: 'x'.repeat(200) }));
        return this.post(bucket, objects, since === undefined ? {} : { since });
    }

    /* All or none, too, of whatever objects. */
    async post(bucket, objects, params) {
        const answer = await this.ask('POST', bucket.name, params, JSON.stringify(objects));
        const outcome = this.outcomeOf(answer);
        bucket.batches.push({ ids: objects.map(({ id }) => id), outcome,
            when: this.fault.at ? this.describe() : 'without a fault', status: answer?.text });
        this.number++;
        return outcome;
    }

    async delete(bucket) {
        const answer = await this.ask('POST', bucket.name, { delete: '' }, '{"why":"test"}');
        bucket.deleted = this.outcomeOf(answer);
        return bucket.deleted;
    }

    bucket(name) {
        const bucket = { name: `${name}-${this.buckets.length}`, batches: [], deleted: REFUSED };
        this.buckets.push(bucket);
        return bucket;
    }

    /* One that has a batch, before anything fails. */
    async filled(name) {
        const bucket = this.bucket(name);
        const { errno } = this.fault ?? {};
        this.fault = { errno };
        assert.equal(await this.append(bucket), STORED, name);
        return bucket;
    }

    async check(bucket) {
        let answer;
        do { /* a deletion that was given up may only now come through */
            answer = await this.notes(bucket.name).get();
        } while (answer.status === 503 && answer.json.error === 'busy');
        const what = `${bucket.name}: ${answer.text.slice(0, 300)}`;
        assert.equal(answer.status, 200, what);
        if (answer.json.collection_deleted) {
            assert.notEqual(bucket.deleted, REFUSED, what);
            return answer;
        }
        assert.notEqual(bucket.deleted, STORED, what);
        const there = answer.json.objects.flatMap(([, { id, deleted }]) => deleted ? [] : [id]);
        assert.equal(new Set(there).size, there.length, what);
        for (const { ids, outcome, when, status } of bucket.batches) {
            const count = ids.filter((id) => there.includes(id)).length;
            const right = { true: [ids.length], false: [0], undefined: [0, ids.length] };
            assert.ok(right[outcome].includes(count), `${outcome} (${when}, ${status}): ${count} of ${ids}; ${what}`);
        }
        return answer;
    }

    /* The fault is over: all is as it should be, and goes on. */
    async recover(buckets) {
        const { forever } = this.fault;
        for (const bucket of buckets) {
            const answer = await this.check(bucket);
            if (forever) continue; /* it may be closed */
            const last = (answer.json.objects ?? []).at(-1);
            if (answer.json.collection_deleted) bucket.deleted = REFUSED;
            if (answer.json.collection_deleted) bucket.batches = [];
            assert.equal(await this.append(bucket, last && last[0]), STORED, `${bucket.name} goes on`);
        }
        assert.equal(await this.append(this.bucket('after')), STORED, 'a new collection');
        assert.equal((await this.server.admin('/ready')).status, 200, 'ready');
        await this.closeDescriptors();
    }

    async closeDescriptors() {
        const deadline = Date.now() + DEADLINE_MS;
        for (;;) {
            const count = this.countDescriptors();
            if (count <= this.baseline) return;
            assert.ok(Date.now() < deadline, `${count} descriptors, ${this.baseline} before`);
            await this.server.admin('/health');
        }
    }

    /* Stops, starts without faults, and looks at everything. */
    async close() {
        this.faults.disarm();
        await this.server.restart();
        this.token = await login(this.server, EMAIL);
        this.fault = {};
        for (const bucket of this.buckets) await this.check(bucket);
        await this.server.stop();
        this.faults.close();
    }
}

module.exports = { Run, CONF, EMAIL, ANYTHING, STORED, REFUSED, GIVE_UP_MS };
