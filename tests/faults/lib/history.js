/* Proves of a history of requests and answers that the server has kept what docs/protocol.md promises,
 * or names what refutes it.
 *
 * An event: { client, bucket, op: 'post' | 'get' | 'delete', invoked, completed, request, answer }.
 * invoked and completed are ticks of one clock that all events share; completed is Infinity, and answer
 * undefined, if nobody knows what became of it. request has since, id (collection_id), and of a post
 * client, seq and objects; of a get limit and include. answer is { status, ...JSON }. The objects
 * of each (client, seq) are of no other: so an object tells who sent it, and when.
 *
 * The order of counters is the order in which appends came to be. So whoever has seen a counter knows of
 * all below it, at the latest when it was answered, that they had been there: nearly all rules are
 * about that. */
'use strict';

/* What is known of one collection, between two deletions, from all events together. */
class Line {
    known = new Map(); /* counter -> { text, object, since: tick from which on all must see it } */
    counters = [];     /* of known, in order */

    note(counter, object, tick, violate) {
        const text = JSON.stringify(object);
        const before = this.known.get(counter);
        if (before === undefined) {
            this.known.set(counter, { text, object, since: tick });
        } else if (before.text !== text) {
            violate('one object for a counter', `${counter}: ${before.text} and ${text}`);
        } else {
            before.since = Math.min(before.since, tick);
        }
    }

    sort() {
        this.counters = [...this.known.keys()].sort((a, b) => a - b);
    }

    /* Counters in (after, end]. */
    between(after, end) {
        let low = 0, high = this.counters.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.counters[middle] > after) high = middle; else low = middle + 1;
        }
        const found = [];
        for (; low < this.counters.length && this.counters[low] <= end; low++) {
            found.push(this.counters[low]);
        }
        return found;
    }
}

const keyOf = ({ client, seq }) => `${client} ${seq}`;
const passes = ({ include }, object) => !include || include.includes(object.type);
const lineOf = ({ request, answer }) => answer.collection_id ?? request.id;
const isChanged = ({ answer }) => Boolean(answer.collection_changed);
const counted = ({ answer }) => answer.objects?.map(([counter]) => counter) ?? [];

class Checker {
    violations = [];
    lines = new Map();   /* "bucket id" -> Line */
    posts = new Map();   /* "client seq" -> { events, stored: counters, line } */
    places = new Map();  /* text of an object -> Map of "bucket id" -> counter */
    senders = new Map(); /* text of an object -> post */

    constructor(events) {
        this.events = events;
    }

    violate(rule, event, what) {
        this.violations.push({ rule, what: `${event.client} ${event.op} ${event.bucket}: ${what}`, event });
    }

    line(event, id = lineOf(event)) {
        const name = `${event.bucket} ${id}`;
        if (!this.lines.has(name)) this.lines.set(name, new Line());
        return this.lines.get(name);
    }

    /* ---- What all events together tell ------------------------------------------------------- */

    note(event, counter, object) {
        const text = JSON.stringify(object);
        const line = `${event.bucket} ${lineOf(event)}`;
        this.line(event).note(counter, object, event.completed,
            (rule, what) => this.violate(rule, event, what));
        if (!this.places.has(text)) this.places.set(text, new Map());
        const places = this.places.get(text);
        if ((places.get(line) ?? counter) !== counter || (places.size > 0 && !places.has(line) &&
            !this.mayMove(text))) {
            this.violate('stored once', event, `${text} at ${counter} and at ${[...places]}`);
        }
        places.set(line, counter);
    }

    /* What was sent twice, for whatever collection is there, may be in two of them. */
    mayMove(text) {
        const post = this.senders.get(text);
        return post !== undefined && post.events.length > 1 && post.id === undefined;
    }

    notePost(event) {
        const key = keyOf(event.request);
        if (!this.posts.has(key)) this.posts.set(key, { events: [], ...event.request });
        const post = this.posts.get(key);
        post.events.push(event);
        for (const object of event.request.objects) this.senders.set(JSON.stringify(object), post);
    }

    noteAnswer(event) {
        const { answer, request } = event;
        for (const [counter, object] of answer.objects ?? []) this.note(event, counter, object);
        if (!answer.object_counters) return;
        answer.object_counters.forEach((counter, i) => this.note(event, counter, request.objects[i]));
        const post = this.posts.get(keyOf(request));
        if (post.stored && String(post.stored) !== String(answer.object_counters)) {
            this.violate('a repeated POST gets its counters', event,
                `${post.stored} and then ${answer.object_counters}`);
        }
        post.stored = answer.object_counters;
    }

    gather() {
        for (const event of this.events) if (event.op === 'post') this.notePost(event);
        for (const event of this.events) if (event.answer) this.noteAnswer(event);
        for (const line of this.lines.values()) line.sort();
    }

    /* ---- Reads, and what a refused POST is answered ------------------------------------------ */

    /* From where on, and up to where an answer says what there is. */
    rangeOf(event) {
        const { answer, request } = event;
        const from = isChanged(event) ? 0 : request.since;
        if (!answer.incomplete) return [from, Infinity];
        return [from, Math.max(from, answer.until ?? 0, ...counted(event))];
    }

    checkOrder(event) {
        let last = this.rangeOf(event)[0];
        for (const counter of counted(event)) {
            if (counter <= last) this.violate('in order, above since', event, `${counter} after ${last}`);
            last = counter;
        }
        for (const [counter, object] of event.answer.objects ?? []) {
            if (!passes(event.request, object)) {
                this.violate('a filter lets nothing else through', event, `counter ${counter}`);
            }
        }
    }

    /* Nothing is missing that stands below what was returned, or that somebody knew of before. */
    checkContiguous(event) {
        const line = this.line(event);
        const returned = new Set(counted(event));
        const last = Math.max(0, ...returned);
        const [from, end] = this.rangeOf(event);
        for (const counter of line.between(from, end)) {
            const { object, since } = line.known.get(counter);
            if (returned.has(counter) || !passes(event.request, object)) continue;
            if (counter < last) this.violate('no gaps', event, `${counter} is missing below ${last}`);
            else if (since < event.invoked) {
                this.violate('nothing that was known is missing', event, `counter ${counter}`);
            }
        }
    }

    /* An append is there as a whole or not at all. */
    checkWhole(event) {
        if (event.answer.incomplete || event.request.include) return;
        const [from] = this.rangeOf(event);
        const texts = new Set((event.answer.objects ?? []).map(([, object]) => JSON.stringify(object)));
        for (const text of texts) {
            const post = this.senders.get(text);
            if (!post) {
                this.violate('nothing that nobody sent', event, text);
                continue;
            }
            const place = this.places.get(text).get(`${event.bucket} ${lineOf(event)}`);
            const index = post.objects.findIndex((object) => JSON.stringify(object) === text);
            if (place - index <= from) continue; /* its beginning stands before what was asked for */
            for (const object of post.objects) {
                if (!texts.has(JSON.stringify(object))) {
                    this.violate('all of an append or nothing', event, `of ${keyOf(post)}`);
                }
            }
        }
    }

    checkMine(event) {
        const { answer, request } = event;
        if (!answer.mine) return;
        const mine = (answer.objects ?? []).filter(([, object]) =>
            this.senders.get(JSON.stringify(object))?.client === request.client);
        if (String(mine.map(([counter]) => counter)) !== String(answer.mine)) {
            this.violate('mine is what this client sent', event, `${answer.mine}`);
        }
    }

    checkClientSeq(event) {
        const { answer, request } = event;
        if (answer.client_seq === undefined) return;
        const own = [...this.posts.values()].filter(({ client, events }) =>
            client === request.client && events[0].bucket === event.bucket);
        const asked = own.filter(({ events }) => events.some(({ invoked }) => invoked < event.completed));
        const known = own.filter(({ events, stored }) => stored && events.some((post) =>
            post.answer?.object_counters && post.completed < event.invoked &&
            lineOf(post) === lineOf(event)));
        const least = Math.max(0, ...known.map(({ seq }) => seq));
        const most = Math.max(0, ...asked.map(({ seq }) => seq));
        if (answer.client_seq < least || answer.client_seq > most) {
            this.violate('client_seq is the last one stored', event,
                `${answer.client_seq}, not from ${least} to ${most}`);
        }
    }

    checkAnswered(event) {
        this.checkOrder(event);
        this.checkContiguous(event);
        this.checkWhole(event);
        this.checkMine(event);
        this.checkClientSeq(event);
        if (event.answer.incomplete && !(event.answer.pending >= 1)) {
            this.violate('incomplete means that something is pending', event,
                `pending is ${event.answer.pending}`);
        }
    }

    checkNothingNew(event) {
        const line = this.line(event, event.request.id);
        for (const counter of line.between(event.request.since, Infinity)) {
            const { object, since } = line.known.get(counter);
            if (since < event.invoked && passes(event.request, object)) {
                this.violate('nothing that was known is missing', event, `counter ${counter}, 204`);
            }
        }
    }

    /* ---- Appends ----------------------------------------------------------------------------- */

    checkStored(event) {
        const { request, answer } = event;
        const counters = answer.object_counters;
        if (counters.length !== request.objects.length) {
            this.violate('a counter for each object', event, `${counters}`);
        }
        if (counters.length === 0) return;
        const line = this.line(event);
        const all = line.between(counters[0] - 1, counters.at(-1));
        if (String(all) !== String(counters)) {
            this.violate('an append stands together', event, `${all}, of which ${counters} are its`);
        }
        const between = line.between(request.since, counters[0] - 1);
        if (between.length > 0) {
            this.violate('nothing is stored unseen', event, `${between} above ${request.since}`);
        }
    }

    checkNotStored(event, text) {
        const places = this.places.get(text);
        if (!places || (this.mayMove(text) && !places.has(`${event.bucket} ${lineOf(event)}`))) return;
        this.violate('what is refused is not stored', event, [...places].join());
    }

    checkRefused(event) {
        const { answer, request } = event;
        this.checkAnswered(event);
        if (!(answer.objects?.length > 0)) {
            this.violate('refused only for what is newer', event, JSON.stringify(answer));
        }
        for (const object of request.objects) this.checkNotStored(event, JSON.stringify(object));
    }

    /* Of another collection, or a deleted one. What came before without an answer may have been stored in
     * the one before. */
    checkTurnedAway(event) {
        const { events, objects } = this.posts.get(keyOf(event.request));
        if (events.length > 1) return;
        for (const object of objects) this.checkNotStored(event, JSON.stringify(object));
    }

    /* ---- Deletions --------------------------------------------------------------------------- */

    /* A reason that somebody has given, of a deletion that had begun. */
    checkDeleted(event) {
        const reason = JSON.stringify(event.answer.collection_deleted);
        const known = this.events.some((other) => other.op === 'delete' && other.bucket === event.bucket &&
            other.invoked < event.completed && JSON.stringify(other.request.reason) === reason);
        if (!known) this.violate('a deletion tells who did it', event, reason);
    }

    /* After a deletion that named the collection nobody sees it any more. */
    checkGone(deletion) {
        const { bucket, completed, request } = deletion;
        if (request.id === undefined) return;
        for (const event of this.events) {
            if (event.bucket !== bucket || event.invoked < completed || !event.answer) continue;
            const shows = event.answer.objects || event.answer.object_counters ||
                event.answer.status === 204;
            if (shows && lineOf(event) === request.id) {
                this.violate('what is deleted stays so', event, `it is ${request.id} still`);
            }
        }
    }

    /* Of two collections at one address, all counters of one are above all of the other. */
    checkLines() {
        const spans = new Map();
        for (const [name, { counters }] of this.lines) {
            const [bucket, id] = name.split(' ');
            if (counters.length === 0) continue;
            if (!spans.has(bucket)) spans.set(bucket, []);
            spans.get(bucket).push({ id, first: counters[0], last: counters.at(-1) });
        }
        for (const [bucket, list] of spans) {
            list.sort((a, b) => a.first - b.first);
            for (let i = 1; i < list.length; i++) {
                if (list[i].first > list[i - 1].last) continue;
                this.violate('a collection begun anew goes on above', { client: '', op: '', bucket },
                    `${list[i].id} begins at ${list[i].first}, ${list[i - 1].id} has ${list[i - 1].last}`);
            }
        }
    }

    /* ---- All --------------------------------------------------------------------------------- */

    checkEvent(event) {
        const { op, answer } = event;
        if (!answer) return;
        if (answer.status !== 200 && answer.status !== 204) {
            this.violate('a good request is answered well', event, JSON.stringify(answer));
        }
        if (op === 'post' && !answer.object_counters) this.checkTurnedAway(event);
        if (answer.status === 204) this.checkNothingNew(event);
        else if (answer.collection_deleted) this.checkDeleted(event);
        else if (op === 'delete') this.checkGone(event);
        else if (answer.object_counters) this.checkStored(event);
        else if (answer.since_invalid) this.checkRefused(event);
        else if (answer.objects) this.checkAnswered(event);
    }

    run() {
        this.gather();
        for (const event of this.events) this.checkEvent(event);
        this.checkLines();
        return this.violations;
    }
}

/* [{ rule, what, event }], empty if nothing refutes the history. */
const checkHistory = (events) => new Checker(events).run();

module.exports = { checkHistory };
