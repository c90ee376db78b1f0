/* Clients that do at random what clients may do, and write down what they asked and got. */
'use strict';

const http = require('node:http');

const KINDS = ['note', 'task'];
const OBJECTS_MOST = 4;
const TRY_AGAIN = 503; /* whether it was stored is unknown */
const REMEMBERED_MOST = 20; /* POSTs that may be sent once more */

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
                if (response.statusCode === TRY_AGAIN) resolve(undefined);
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
    stored = [];   /* POSTs that were answered well */
    follows = {};  /* bucket and filter -> { id, since } */

    /* world: { history, buckets, urlOf(), headers, deletes, cuts } */
    constructor(name, world, random) {
        Object.assign(this, { name, world, random });
    }

    chance(percent) {
        return this.random(100) < percent;
    }

    /* Who reads with a filter has a place of its own with it, and goes on from until. */
    followed(bucket, filter = {}) {
        const key = `${bucket} ${JSON.stringify(filter)}`;
        this.follows[key] ??= { id: undefined, since: 0 };
        return this.follows[key];
    }

    someFilter() {
        return { [this.chance(50) ? 'include' : 'exclude']: [KINDS[this.random(KINDS.length)]] };
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
    learn(place, answer) {
        if (!answer) return;
        if (answer.collection_deleted) {
            Object.assign(place, { id: undefined, since: 0 });
            return;
        }
        if (answer.collection_changed) Object.assign(place, { id: undefined, since: 0 });
        place.id = answer.collection_id ?? place.id;
        const last = answer.objects?.at(-1)?.[0] ?? answer.object_counters?.at(-1) ?? 0;
        place.since = Math.max(place.since, last, answer.until ?? 0);
    }

    async get(bucket, { whole = false } = {}) {
        const filter = !whole && this.chance(25) ? this.someFilter() : {};
        const place = this.followed(bucket, filter);
        const { id, since } = whole ? { since: 0 } : place;
        const request = { id, since, ...filter, client: this.chance(80) ? this.name : undefined };
        if (!whole && this.chance(30)) request.limit = 1 + this.random(5);
        const astray = !whole && this.chance(20); /* from anywhere it has been */
        if (astray) request.since = this.random(since + 1);
        const wait = !whole && this.chance(5) ? 1 : undefined;
        const query = { since: request.since, collection_id: id, client: request.client,
            limit: request.limit, ...filter, wait };
        const answer = await this.ask('get', bucket, request, { query });
        if (!astray && !whole) this.learn(place, answer);
        /* What one server has shown, another has to show at once. */
        if (answer?.objects?.length > 0 && !whole && this.chance(40)) {
            await this.ask('get', bucket, request, { query });
        }
    }

    /* Now and then one that claims to have seen everything there can be: it is never refused; one that
     * minds but some types; and one of an old client, that has neither client nor seq. */
    nextPost(bucket) {
        const filter = this.chance(20) ? this.someFilter() : {};
        const isOld = !filter.include && !filter.exclude && this.chance(15);
        const place = this.followed(bucket, filter);
        const { id, since } = !isOld && this.chance(40)
            ? { id: undefined, since: Number.MAX_SAFE_INTEGER } : place;
        const objects = [];
        const seq = ++this.seq;
        for (let i = this.random(OBJECTS_MOST); i >= 0; i--) {
            objects.push({ id: `o${this.random(20)}`, type: KINDS[this.random(KINDS.length)],
                data: `${this.name} ${seq} ${++this.made}` });
        }
        const request = { id, since, ...filter, objects,
            ...(isOld ? {} : { client: this.name, seq }) };
        return { bucket, body: JSON.stringify(objects), request, place,
            query: { since, collection_id: id, client: request.client, seq: request.seq, ...filter } };
    }

    /* What was not answered is sent again, byte for byte. */
    async post(bucket) {
        this.pending ??= this.nextPost(bucket);
        const { pending } = this;
        const answer = await this.ask('post', pending.bucket, pending.request, pending);
        if (!answer) return;
        this.pending = null;
        this.learn(pending.place, answer);
        if (answer.object_counters && pending.request.seq) this.stored.push(pending);
        if (this.stored.length > REMEMBERED_MOST) this.stored.shift();
    }

    /* One that was answered long ago: it is on its way a second time. */
    async postAgain() {
        const { bucket, request, query, body } = this.stored[this.random(this.stored.length)];
        await this.ask('post', bucket, request, { query, body });
    }

    async delete(bucket) {
        const { id } = this.followed(bucket);
        const reason = { by: `${this.name} ${++this.made}` };
        const answer = await this.ask('delete', bucket, { id, since: 0, reason },
            { body: JSON.stringify(reason), query: { delete: '', collection_id: id } });
        if (answer) Object.assign(this.followed(bucket), { id: undefined, since: 0 });
    }

    /* One thing at random. */
    async act() {
        const { buckets } = this.world;
        const bucket = buckets[this.random(buckets.length)];
        if (this.pending ? this.chance(80) : this.chance(50)) return this.post(bucket);
        if (this.chance(this.world.deletes)) return this.delete(bucket);
        if (this.stored.length > 0 && this.chance(10)) return this.postAgain();
        return this.get(bucket);
    }
}

module.exports = { History, Client };
