/* Proves of a history of requests and answers that the server has kept what docs/protocol.md promises,
 * or names what refutes it.
 *
 * An event: { client, bucket, op: 'post' | 'get' | 'delete', invoked, completed, request, answer }.
 * invoked and completed are ticks of one clock that all events share; completed is Infinity, and answer
 * undefined, if nobody knows what became of it. request has since, id (collection_id), include and exclude
 * (arrays of types), and client; a get also limit, a post objects and seq (none: an old client's), a
 * deletion reason. answer is { status, ...JSON }. The objects of each post, and the reason of each deletion,
 * are of no other: so an object tells who sent it, and when. A post that is sent again is an event of its
 * own. Events are not changed once they were checked.
 *
 * The order of counters is the order in which appends came to be. So whoever has seen a counter knows of
 * all below it, at the latest when it was answered, that they had been there: nearly all rules are
 * about that. */
'use strict';

const { Line } = require('./line.js');

const texts = new WeakMap(); /* object -> JSON: the same ones are looked at again and again */

function textOf(object) {
    if (!texts.has(object)) texts.set(object, JSON.stringify(object));
    return texts.get(object);
}

/* An object without type is matched by neither. */
function passes({ include, exclude }, { type }) {
    if (include) return include.includes(type);
    return !exclude?.includes(type);
}

/* The id of the collection that an answer is about; undefined: there is none. */
function idOf({ request, answer }) {
    return answer.collection_id ?? (answer.collection_changed ? undefined : request.id);
}

const keyOf = (post) => textOf(post.request.objects[0]);
const counted = ({ answer }) => answer.objects?.map(([counter]) => counter) ?? [];
const nameOf = ({ client, op, bucket, invoked, completed }) =>
    `${client} ${op} ${bucket} (${invoked} to ${completed})`;

/* True if an answer shows that the collection is there. */
const isShown = ({ answer }) => Boolean(answer?.objects || answer?.object_counters?.length > 0 ||
    answer?.status === 204);

class Checker {
    violations = [];
    lines = new Map();   /* bucket -> Map of id -> Line */
    posts = new Map();   /* text of its first object -> { events, objects, client, seq, …, counters: Map of
                          * Line -> those of its objects, as far as anybody knows } */
    own = new Map();     /* "client bucket" -> posts with seq */
    places = new Map();  /* text of an object -> Map of Line -> counter */
    senders = new Map(); /* text of an object -> { post, index } */
    deletions = new Map(); /* text of a reason -> { event, revived } */
    begun = new Map();   /* bucket -> its Lines that have counters, in the order in which they were begun */
    traces = new Map();  /* bucket -> the first event that showed that something had been there */

    constructor(events) {
        this.events = events;
    }

    /* by: the other event that it contradicts, if there is one */
    violate(rule, event, what, by) {
        const against = by && by !== event ? `; ${nameOf(by)}` : '';
        this.violations.push({ rule, what: `${nameOf(event)}: ${what}${against}`, event,
            events: by ? [event, by] : [event] });
    }

    line(bucket, id) {
        if (!this.lines.has(bucket)) this.lines.set(bucket, new Map());
        const lines = this.lines.get(bucket);
        if (!lines.has(id)) lines.set(id, new Line(bucket, id));
        return lines.get(id);
    }

    lineOf(event) {
        return this.line(event.bucket, idOf(event));
    }

    /* ---- What all events together tell ------------------------------------------------------- */

    note(event, counter, object) {
        const text = textOf(object);
        const line = this.lineOf(event);
        const sender = this.senders.get(text);
        const differs = line.note(counter, object, text, event, sender);
        if (differs) this.violate('one object for a counter', event, differs.what, differs.by);
        if (!this.places.has(text)) this.places.set(text, new Map());
        const places = this.places.get(text);
        if (places.get(line) === counter) return;
        if ((places.get(line) ?? counter) !== counter ||
            (places.size > 0 && !places.has(line) && !this.mayMove(text))) {
            this.violate('stored once', event, `${text} at ${counter} and ${[...places.values()]}`);
        }
        places.set(line, counter);
        if (!sender) return;
        const { counters, objects } = sender.post;
        if (!counters.has(line)) counters.set(line, new Array(objects.length).fill(undefined));
        counters.get(line)[sender.index] = counter;
    }

    /* What was sent twice, for whatever collection is there, may be in two of them. */
    mayMove(text) {
        const post = this.senders.get(text)?.post;
        return post !== undefined && post.events.length > 1 && post.id === undefined;
    }

    notePost(event) {
        const { request, bucket } = event;
        const key = keyOf(event);
        if (!this.posts.has(key)) {
            const post = { ...request, bucket, events: [], stored: new Map(), counters: new Map() };
            this.posts.set(key, post);
            request.objects.forEach((object, index) => this.senders.set(textOf(object), { post, index }));
            const owner = `${request.client} ${bucket}`;
            if (!this.own.has(owner)) this.own.set(owner, []);
            if (request.seq !== undefined) this.own.get(owner).push(post);
        }
        this.posts.get(key).events.push(event);
    }

    noteStored(event) {
        const { answer, request } = event;
        const { objects } = request;
        answer.object_counters.slice(0, objects.length).forEach((counter, i) =>
            this.note(event, counter, objects[i]));
        const { stored } = this.posts.get(keyOf(event));
        const line = this.lineOf(event);
        const before = stored.get(line);
        if (before && String(before.answer.object_counters) !== String(answer.object_counters)) {
            this.violate('a repeated POST gets its counters', event, `${answer.object_counters}, but ` +
                `${before.answer.object_counters} before`, before);
        }
        if (!before) stored.set(line, event);
    }

    noteAnswer(event) {
        const { answer, request } = event;
        if (answer.object_counters && answer.object_counters.length !== request.objects.length) {
            this.violate('a counter for each object', event, `${answer.object_counters}`);
        }
        for (const [counter, object] of answer.objects ?? []) this.note(event, counter, object);
        if (answer.object_counters?.length > 0) this.noteStored(event);
        const there = isShown(event) && idOf(event) !== undefined;
        if (there) {
            this.lineOf(event).shown.push(event);
            if (answer.client_seq !== undefined) {
                this.lineOf(event).noteTold(request.client, answer.client_seq, event);
            }
        }
        if (!there && !answer.collection_deleted) return;
        const first = this.traces.get(event.bucket);
        if (!first || event.completed < first.completed) this.traces.set(event.bucket, event);
    }

    gather() {
        for (const event of this.events) {
            if (event.op === 'post') this.notePost(event);
            if (event.op === 'delete') this.deletions.set(textOf(event.request.reason), { event });
        }
        for (const event of this.events) if (event.answer) this.noteAnswer(event);
        for (const lines of this.lines.values()) for (const line of lines.values()) line.settle();
        for (const bucket of this.lines.keys()) this.begun.set(bucket, this.sortLines(bucket));
        for (const deletion of this.deletions.values()) {
            deletion.revived = this.findRevived(deletion.event);
        }
    }

    /* Those of a bucket that have counters, in the order in which they were begun. */
    sortLines(bucket) {
        return [...this.lines.get(bucket).values()].filter(({ counters }) => counters.length > 0)
            .sort((a, b) => a.counters[0] - b.counters[0]);
    }

    /* Who was the first to be told, after the deletion, of a collection. */
    findRevived({ bucket, completed }) {
        const shown = [...this.lines.get(bucket)?.values() ?? []].map((line) =>
            line.shown.find(({ invoked }) => invoked > completed)).filter(Boolean);
        return shown.sort((a, b) => a.completed - b.completed)[0];
    }

    /* ---- Reads, and what a refused POST is answered ------------------------------------------ */

    /* Above what, and up to where an answer says what there is. */
    rangeOf(event) {
        const { answer, request } = event;
        const from = answer.collection_changed ? 0 : request.since;
        if (!answer.incomplete) return [from, Infinity];
        return [from, Math.max(from, answer.until ?? 0, ...counted(event))];
    }

    checkOrder(event) {
        const { request, answer } = event;
        let last = this.rangeOf(event)[0];
        for (const [counter, object] of answer.objects) {
            if (counter <= last) this.violate('in order, above since', event, `${counter} after ${last}`);
            if (!passes(request, object)) {
                this.violate('a filter lets nothing else through', event, `counter ${counter}`);
            }
            last = counter;
        }
        if (answer.objects.length > (request.limit ?? Infinity)) {
            this.violate('no more than the limit', event, `${answer.objects.length}, not ${request.limit}`);
        }
    }

    /* Nothing is missing that stands below what was returned or looked at, or that somebody knew of before. */
    checkContiguous(event) {
        const line = this.lineOf(event);
        const returned = new Set(counted(event));
        const looked = Math.max(0, event.answer.until ?? 0, ...returned);
        const [from, end] = this.rangeOf(event);
        for (const counter of line.between(from, end)) {
            if (returned.has(counter)) continue;
            const { object, by } = line.known.get(counter);
            if (!passes(event.request, object)) continue;
            if (counter <= looked) {
                this.violate('no gaps', event, `${counter} is missing up to ${looked}`, by);
            } else if (by.completed < event.invoked) {
                this.violate('nothing that was known is missing', event, `counter ${counter}`, by);
            }
        }
    }

    /* Whoever goes on from there has to get past what a filter left out. */
    checkUntil(event) {
        const { answer, request, invoked } = event;
        const last = Math.max(this.rangeOf(event)[0], ...counted(event));
        if (answer.until !== undefined && answer.until <= last) {
            this.violate('until is above what was returned', event, `${answer.until}, ${last}`);
        }
        const highest = this.lineOf(event).highestBefore(invoked);
        if (!answer.incomplete && (request.include || request.exclude) &&
            Math.max(last, answer.until ?? 0) < highest) {
            this.violate('until is how far was looked', event, `${answer.until}, not ${highest}`,
                this.lineOf(event).known.get(highest).by);
        }
    }

    checkPending(event) {
        const { answer, request } = event;
        if (!answer.incomplete) return;
        const line = this.lineOf(event);
        const least = line.between(this.rangeOf(event)[1], Infinity).filter((counter) => {
            const { object, by } = line.known.get(counter);
            return by.completed < event.invoked && passes(request, object);
        }).length;
        if (!(answer.pending >= Math.max(1, least))) {
            this.violate('incomplete means that something is pending', event,
                `pending is ${answer.pending}, not ${least}`);
        }
    }

    /* An append is there as a whole or not at all. */
    checkWhole(event) {
        const { answer, request } = event;
        const line = this.lineOf(event);
        const [from] = this.rangeOf(event);
        const returned = new Set(counted(event));
        const posts = new Set();
        for (const [counter, object] of answer.objects) {
            const { sender } = line.known.get(counter);
            if (sender) posts.add(sender.post);
            else this.violate('nothing that nobody sent', event, textOf(object));
        }
        if (answer.incomplete) return;
        for (const post of posts) {
            const counters = post.counters.get(line);
            const index = counters?.findIndex((counter) => returned.has(counter)) ?? -1;
            /* Its beginning may stand before what was asked for. */
            if (index < 0 || counters[index] - index <= from) continue;
            const lacks = post.objects.some((object, i) =>
                passes(request, object) && !returned.has(counters[i]));
            if (lacks) {
                this.violate('all of an append or nothing', event, `of ${post.client} ${counters}`,
                    post.events[0]);
            }
        }
    }

    checkMine(event) {
        const { answer, request } = event;
        if (request.client === undefined) return;
        const { known } = this.lineOf(event);
        const mine = answer.objects.filter(([counter]) => {
            const post = known.get(counter).sender?.post;
            return post?.seq !== undefined && post.client === request.client;
        });
        if (String(mine.map(([counter]) => counter)) !== String(answer.mine)) {
            this.violate('mine is what this client sent', event, `${answer.mine}`);
        }
    }

    /* True if a post with that seq can be in the collection that the event is about. */
    mayBeStored(event, seq) {
        const post = this.own.get(`${event.request.client} ${event.bucket}`)?.find((one) => one.seq === seq);
        if (!post || post.events[0].invoked > event.completed) return false;
        if (post.events.every(({ answer }) => answer && !answer.object_counters)) return false;
        const text = textOf(post.objects[0]);
        const places = this.places.get(text);
        return !places || places.has(this.lineOf(event)) || this.mayMove(text);
    }

    /* Of a post that was sent, and not refused for ever; never less than it was told before. */
    checkClientSeq(event) {
        const { answer, request } = event;
        if (request.client === undefined) return;
        const { client_seq: seq } = answer;
        if (seq !== 0 && !this.mayBeStored(event, seq)) {
            this.violate('client_seq is the last one stored', event, `${seq} was not stored`);
        }
        const before = this.lineOf(event).told.get(request.client)?.find((told) =>
            told.event.completed < event.invoked && !(told.seq <= seq));
        if (before) {
            this.violate('client_seq is the last one stored', event, `${seq}, but ${before.seq} before`,
                before.event);
        }
    }

    checkAnswered(event) {
        this.checkOrder(event);
        this.checkContiguous(event);
        this.checkUntil(event);
        this.checkPending(event);
        this.checkWhole(event);
        this.checkMine(event);
        this.checkClientSeq(event);
    }

    checkNothingNew(event) {
        const { request, bucket } = event;
        const line = this.line(bucket, request.id);
        const highest = line.highestBefore(event.invoked);
        if (request.id === undefined || highest > request.since) {
            this.violate('nothing that was known is missing', event, `204, but there is ${highest}`,
                line.known.get(highest)?.by);
        }
    }

    /* ---- Appends ----------------------------------------------------------------------------- */

    /* Of each post in each collection that has it, whether its sender was told or not. */
    checkPlaced(post, line) {
        const [first] = post.events;
        const placed = post.counters.get(line).filter((counter) => counter !== undefined);
        if (post.id !== undefined && post.id !== line.id) {
            this.violate('nothing goes into another collection', first, `${placed} in ${line.id}`);
        }
        const all = line.between(Math.min(...placed) - 1, Math.max(...placed));
        if (String(all) !== String(placed)) {
            this.violate('an append stands together', first, `${all}, of which ${placed} are its`);
        }
        const unseen = line.between(post.since, placed[0] - 1)
            .find((counter) => passes(post, line.known.get(counter).object));
        if (unseen !== undefined) {
            this.violate('nothing is stored unseen', first, `${unseen} is above ${post.since}, and below ` +
                `${placed}`, line.known.get(unseen).by);
        }
        const highest = line.highestBefore(first.invoked);
        if (highest >= placed[0]) {
            this.violate('what comes later stands above', first, `${placed}, but ${highest} was known`,
                line.known.get(highest).by);
        }
    }

    checkPosts() {
        for (const post of this.posts.values()) {
            for (const line of post.counters.keys()) this.checkPlaced(post, line);
        }
    }

    checkStored(event) {
        const { request, answer } = event;
        if (request.seq === undefined) return;
        if (!(answer.client_seq >= request.seq)) {
            this.violate('client_seq is the last one stored', event, `${answer.client_seq}`);
        }
        this.checkClientSeq(event);
    }

    checkNotStored(event, text) {
        const places = this.places.get(text);
        if (!places || (this.mayMove(text) && !places.has(this.lineOf(event)))) return;
        this.violate('what is refused is not stored', event, `${text} at ${[...places.values()]}`);
    }

    checkRefused(event) {
        const { answer, request } = event;
        const { events } = this.posts.get(keyOf(event));
        if (!(answer.objects?.length > 0) && !answer.collection_changed) {
            this.violate('refused only for what is newer', event, JSON.stringify(answer));
        }
        /* An old client's first attempt may have been stored, and others' objects behind it. */
        if (request.seq === undefined && events.length > 1) {
            this.checkLostAnswer(event);
            return;
        }
        for (const object of request.objects) this.checkNotStored(event, textOf(object));
    }

    /* If what stands after since is just what it sent, it must have been told so. */
    checkLostAnswer(event) {
        const { answer, request } = event;
        const texts = (objects) => objects?.map((object) => textOf(object)).join();
        if (!answer.incomplete && !answer.collection_changed &&
            texts(answer.objects?.map(([, object]) => object)) === texts(request.objects)) {
            this.violate('who has lost an answer gets it', event, JSON.stringify(answer));
        }
    }

    /* Of another collection, or a deleted one. What came before without an answer may have been stored in
     * the one before. */
    checkTurnedAway(event) {
        const { events, objects } = this.posts.get(keyOf(event));
        if (events.length > 1) return;
        for (const object of objects) this.checkNotStored(event, textOf(object));
    }

    /* ---- Which collection -------------------------------------------------------------------- */

    checkCollection(event) {
        const { answer, request, bucket, invoked } = event;
        const id = idOf(event);
        if (id === undefined) {
            const trace = this.traces.get(bucket);
            const absent = answer.objects && !answer.since_invalid;
            if (!absent) this.violate('an answer says which collection', event, JSON.stringify(answer));
            else if (trace?.completed < invoked) {
                this.violate('what was there does not vanish', event, JSON.stringify(answer), trace);
            }
            return;
        }
        if (request.id !== undefined && id !== request.id && !answer.collection_changed) {
            this.violate('another collection is called another', event, `${id}, not ${request.id}`);
        }
        const highest = this.lineOf(event).highestBefore(invoked);
        if (answer.collection_changed && (request.id === undefined ||
            (id === request.id && request.since <= highest))) {
            this.violate('what is the same is not called another', event, `${request.since} of ${id}`);
        }
        this.checkNewest(event);
    }

    /* Who has seen a collection that was begun anew never sees the one before. */
    checkNewest(event) {
        const line = this.lineOf(event);
        if (line.counters.length === 0) return;
        const newer = this.begun.get(event.bucket)?.find((one) =>
            one.counters[0] > line.counters[0] && one.firstShown?.completed < event.invoked);
        if (newer) {
            this.violate('what is deleted stays so', event, `it is ${line.id} still`, newer.firstShown);
        }
    }

    /* By a deletion that had begun, and after which nothing was begun anew. */
    checkDeleted(event) {
        const reason = textOf(event.answer.collection_deleted);
        const { event: deletion, revived } = this.deletions.get(reason) ?? {};
        if (deletion?.bucket !== event.bucket || deletion.invoked > event.completed) {
            this.violate('a deletion tells who did it', event, reason);
            return;
        }
        if (revived?.completed < event.invoked) {
            this.violate('what was begun anew is there', event, reason, revived);
        }
        const { id } = deletion.request;
        const named = id === undefined ? undefined : this.line(event.bucket, id).counters[0];
        const other = this.begun.get(event.bucket)?.find((line) =>
            line.counters[0] > (named ?? Infinity) && line.firstShown?.completed < deletion.invoked);
        if (other) {
            this.violate('only what was named is deleted', event, `not ${other.id}`, deletion);
        }
    }

    /* After a deletion nobody sees any more what it was of. */
    checkGone(deletion) {
        const { bucket, invoked, completed, request } = deletion;
        for (const line of this.lines.get(bucket)?.values() ?? []) {
            const gone = request.id === line.id ||
                (request.id === undefined && line.firstShown?.completed < invoked);
            const later = gone && line.shown.find((event) => event.invoked > completed);
            if (later) this.violate('what is deleted stays so', later, `it is ${line.id} still`, deletion);
        }
    }

    /* Of two collections at one address, all counters of one are above all of the other; and there is no
     * other before the first was deleted. */
    checkLines(bucket) {
        const lines = this.begun.get(bucket) ?? [];
        for (let i = 1; i < lines.length; i++) {
            const [before, line] = [lines[i - 1], lines[i]];
            const { by } = line.known.get(line.counters[0]);
            if (line.counters[0] <= before.counters.at(-1)) {
                this.violate('a collection begun anew goes on above', by, `${line.id} begins at ` +
                    `${line.counters[0]}, ${before.id} has ${before.counters.at(-1)}`);
            }
            const deleted = [...this.deletions.values()].some(({ event }) => event.bucket === bucket &&
                event.invoked < by.completed && (event.request.id ?? before.id) === before.id);
            if (!deleted) {
                this.violate('only a deletion ends a collection', by, `${line.id} after ${before.id}`);
            }
        }
    }

    /* ---- All --------------------------------------------------------------------------------- */

    /* The seq of what is sent again long after may not be known any more. */
    checkStatus(event) {
        const { op, answer, request } = event;
        const isOld = op === 'post' && answer.status === 409 && answer.error === 'seq_old' &&
            this.own.get(`${request.client} ${event.bucket}`)?.some((post) => post.seq > request.seq &&
                post.events.some(({ invoked }) => invoked < event.completed));
        if (answer.status !== 200 && answer.status !== 204 && !isOld) {
            this.violate('a good request is answered well', event, JSON.stringify(answer));
        }
    }

    checkEvent(event) {
        const { op, answer } = event;
        if (!answer) return;
        this.checkStatus(event);
        if (op === 'post' && !answer.object_counters && !answer.since_invalid) this.checkTurnedAway(event);
        if (isShown(event)) this.checkCollection(event);
        if (answer.status === 204) this.checkNothingNew(event);
        else if (answer.collection_deleted) this.checkDeleted(event);
        else if (op === 'delete') this.checkGone(event);
        else if (answer.object_counters) this.checkStored(event);
        else if (answer.objects) this.checkAnswered(event);
        if (answer.since_invalid) this.checkRefused(event);
    }

    run() {
        this.gather();
        for (const event of this.events) this.checkEvent(event);
        this.checkPosts();
        for (const bucket of this.lines.keys()) this.checkLines(bucket);
        return this.violations;
    }
}

/* [{ rule, what, event, events }], empty if nothing refutes the history. */
const checkHistory = (events) => new Checker(events).run();

module.exports = { checkHistory };
