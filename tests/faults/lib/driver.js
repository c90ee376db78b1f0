/* Clients that do at random what clients may do, and write down what they asked and got. */
'use strict';

const http = require('node:http');

const KINDS = ['note', 'task'];
const OBJECTS_MOST = 4;

/* One clock for all: a tick for each thing that happens. */
class History {
    events = [];
    ticks = 0;

    begin(event) {
        const begun = { ...event, invoked: ++this.ticks, completed: Infinity, answer: undefined };
        this.events.push(begun);
        return begun;
    }

    end(event, answer) {
        event.completed = ++this.ticks;
        event.answer = answer;
    }
}

/* Resolves with the answer, or undefined when nobody can say what became of it. cut: the connection is
 * given up as soon as the request is on its way. */
function send(url, { method, headers, body, cut }) {
    return new Promise((resolve) => {
        const request = http.request(url, { method, headers, agent: false }, (response) => {
            const chunks = [];
            response.on('data', (chunk) => chunks.push(chunk));
            response.on('error', () => resolve(undefined));
            response.on('end', () => {
                const text = Buffer.concat(chunks).toString();
                if (response.statusCode >= 500) resolve(undefined);
                else resolve({ status: response.statusCode, ...(text ? JSON.parse(text) : {}) });
            });
        });
        request.on('error', () => resolve(undefined));
        request.end(body, () => { if (cut) request.destroy(); });
    });
}

class Client {
    seq = 0;
    made = 0;
    pending = null;
    follows = {}; /* bucket -> { id, since } */

    /* world: { history, buckets, urlOf(), headers, deletes } */
    constructor(name, world, random) {
        Object.assign(this, { name, world, random });
    }

    chance(percent) {
        return this.random(100) < percent;
    }

    followed(bucket) {
        this.follows[bucket] ??= { id: undefined, since: 0 };
        return this.follows[bucket];
    }

    async ask(op, bucket, request, { query, body }) {
        const url = new URL(await this.world.urlOf(bucket));
        for (const [name, value] of Object.entries(query)) {
            for (const one of [value].flat()) if (one !== undefined) url.searchParams.append(name, one);
        }
        const event = this.world.history.begin({ client: this.name, op, bucket, request, url: url.host });
        const answer = await send(url, { method: op === 'get' ? 'GET' : 'POST', body,
            headers: this.world.headers, cut: this.chance(this.world.cuts) });
        if (answer) this.world.history.end(event, answer);
        return answer;
    }

    /* What an answer says about where this client stands now. */
    learn(bucket, answer) {
        const place = this.followed(bucket);
        if (!answer) return;
        if (answer.collection_deleted) {
            this.follows[bucket] = undefined;
            return;
        }
        if (answer.collection_changed) place.since = 0;
        if (answer.collection_id) place.id = answer.collection_id;
        else if (answer.collection_changed) place.id = undefined;
        const last = answer.objects?.at(-1)?.[0] ?? answer.object_counters?.at(-1) ?? 0;
        place.since = Math.max(place.since, last);
    }

    async get(bucket, { whole = false } = {}) {
        const { id, since } = whole ? { since: 0 } : this.followed(bucket);
        const request = { id, since, client: this.name };
        if (!whole && this.chance(30)) request.limit = 1 + this.random(5);
        if (!whole && this.chance(20)) request.include = [KINDS[this.random(2)]];
        if (!whole && this.chance(10)) request.since = 0;
        const wait = !whole && this.chance(5) ? 1 : undefined;
        const answer = await this.ask('get', bucket, request, { query: { since: request.since,
            collection_id: id, client: this.name, limit: request.limit, include: request.include, wait } });
        /* What a filter has left out is still to be read. */
        if (!request.include) this.learn(bucket, answer);
        return answer;
    }

    /* Now and then one that claims to have seen everything there can be: it is never refused. */
    nextPost(bucket) {
        const { id, since } = this.chance(40) ? { since: Number.MAX_SAFE_INTEGER }
            : this.followed(bucket);
        const objects = [];
        this.seq++;
        for (let i = this.random(OBJECTS_MOST); i >= 0; i--) {
            objects.push({ id: `o${this.random(20)}`, type: KINDS[this.random(2)],
                data: `${this.name} ${this.seq} ${++this.made}` });
        }
        return { bucket, body: JSON.stringify(objects),
            request: { id, since, client: this.name, seq: this.seq, objects } };
    }

    /* What was not answered is sent again, byte for byte. */
    async post(bucket) {
        this.pending ??= this.nextPost(bucket);
        const { request, body, bucket: where } = this.pending;
        const answer = await this.ask('post', where, request, { body, query: { since: request.since,
            collection_id: request.id, client: this.name, seq: request.seq } });
        if (!answer) return;
        this.pending = null;
        this.learn(where, answer);
    }

    async delete(bucket) {
        const { id } = this.followed(bucket);
        const reason = { by: `${this.name} ${++this.made}` };
        const answer = await this.ask('delete', bucket, { id, since: 0, reason },
            { body: JSON.stringify(reason), query: { delete: '', collection_id: id } });
        if (answer) this.follows[bucket] = undefined;
    }

    /* One thing at random. */
    async act() {
        const { buckets } = this.world;
        const bucket = buckets[this.random(buckets.length)];
        if (this.pending ? this.chance(80) : this.chance(50)) return this.post(bucket);
        if (this.chance(this.world.deletes)) return this.delete(bucket);
        return this.get(bucket);
    }
}

module.exports = { History, Client };
