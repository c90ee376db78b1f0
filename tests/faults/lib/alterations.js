/* Ways to alter a true history so that it breaks a promise for sure. Each gets an event and what there is to
 * know of the history, and returns a Map of events to those that take their place, or undefined if that
 * event does not lend itself to it. */
'use strict';

/* What alterations ask of a history. */
class Facts {
    tellers = new Map(); /* "bucket counter" -> events that were told of it */

    constructor(events) {
        this.events = events;
        for (const event of events) {
            for (const counter of this.countersOf(event)) {
                const key = `${event.bucket} ${counter}`;
                if (!this.tellers.has(key)) this.tellers.set(key, []);
                this.tellers.get(key).push(event);
            }
        }
    }

    countersOf({ answer }) {
        return answer?.object_counters ?? answer?.objects?.map(([counter]) => counter) ?? [];
    }

    othersTell(event, counter) {
        return this.tellers.get(`${event.bucket} ${counter}`).some((other) => other !== event);
    }

    wasKnown(event, counter) {
        return this.tellers.get(`${event.bucket} ${counter}`).some((other) =>
            other.completed < event.invoked);
    }

    inBucket({ bucket }, test) {
        return this.events.filter((other) => other.bucket === bucket && other.answer && test(other));
    }
}

const isRead = ({ op, answer, request }) => op === 'get' && answer?.objects?.length >= 2 &&
    !request.include && !request.exclude;
const isWhole = (event) => isRead(event) && !event.answer.incomplete;
const isStored = ({ answer }) => answer?.object_counters?.length > 0;
const idOf = ({ request, answer }) => answer.collection_id ?? request.id;
const isShown = ({ answer }) => answer?.objects?.length > 0 || answer?.object_counters?.length > 0;

const one = (event, change) => {
    const altered = { ...event, request: { ...event.request }, answer: structuredClone(event.answer) };
    change(altered.answer, altered.request, altered);
    return new Map([[event, altered]]);
};

const reads = {
    'leaves one out'(event, facts, random) {
        const at = random(event.answer.objects.length - 1);
        if (!facts.othersTell(event, event.answer.objects[at][0])) return undefined;
        return one(event, ({ objects }) => objects.splice(at, 1));
    },
    'changes one'(event, facts, random) {
        const at = random(event.answer.objects.length);
        if (!facts.othersTell(event, event.answer.objects[at][0])) return undefined;
        return one(event, ({ objects }) => { objects[at][1].data += '?'; });
    },
    'swaps two'(event, facts, random) {
        const at = random(event.answer.objects.length - 1);
        return one(event, ({ objects }) => {
            [objects[at], objects[at + 1]] = [objects[at + 1], objects[at]];
        });
    },
    'shifts one'(event, facts, random) {
        const at = random(event.answer.objects.length);
        if (!facts.othersTell(event, event.answer.objects[at][0])) return undefined;
        return one(event, ({ objects }) => { objects[at][0] += 0.5; });
    },
    'knows of what nobody sent'(event) {
        return one(event, ({ objects }) =>
            objects.push([objects.at(-1)[0] + 1e6, { id: 'ghost', type: 'note', data: 'ghost' }]));
    },
    'ends too early'(event, facts) {
        if (!isWhole(event) || !facts.wasKnown(event, event.answer.objects.at(-1)[0])) return undefined;
        return one(event, ({ objects }) => objects.pop());
    },
    'forgets that there is more'(event, facts) {
        const next = event.answer.incomplete && facts.inBucket(event, (other) => isShown(other) &&
            other.completed < event.invoked && idOf(other) === idOf(event) &&
            facts.countersOf(other).at(-1) > event.answer.objects.at(-1)[0]);
        if (!next || next.length === 0) return undefined;
        return one(event, (answer) => { delete answer.incomplete; });
    },
    'minds no limit'(event) {
        return one(event, ({ objects }, request) => { request.limit = objects.length - 1; });
    },
    'calls it nothing new'(event, facts) {
        if (event.request.id === undefined || event.answer.collection_changed ||
            !facts.wasKnown(event, event.answer.objects[0][0])) return undefined;
        return one(event, (answer, request, altered) => { altered.answer = { status: 204 }; });
    },
    'forgets the collection'(event, facts) {
        if (!facts.wasKnown(event, event.answer.objects[0][0])) return undefined;
        return one(event, (answer, request, altered) => {
            request.id = undefined;
            altered.answer = { status: 200, objects: [], client_seq: 0, mine: [] };
        });
    },
    'calls the same another'(event, facts) {
        if (event.request.id === undefined || event.answer.collection_changed ||
            !facts.wasKnown(event, event.answer.objects[0][0])) return undefined;
        return one(event, (answer, { id }) => {
            Object.assign(answer, { collection_changed: true, collection_id: id });
        });
    },
    'has forgotten whose one is'(event) {
        if (!(event.answer.mine?.length > 0)) return undefined;
        return one(event, ({ mine }) => mine.pop());
    },
    'has forgotten a batch'(event, facts) {
        const told = event.answer.client_seq > 0 && facts.inBucket(event, (other) =>
            other.client === event.client && other.completed < event.invoked &&
            idOf(other) === idOf(event) && other.answer.client_seq > 0);
        if (!told || told.length === 0) return undefined;
        return one(event, (answer) => { answer.client_seq = 0; });
    },
    'answers from the past'(event, facts) {
        const [past] = facts.inBucket(event, (other) => isWhole(other) &&
            other.completed < event.invoked && other.request.since === event.request.since && other.request.id === event.request.id &&
            idOf(other) === idOf(event));
        if (!past || !isWhole(event)) return undefined;
        const seen = new Set(facts.countersOf(past));
        const missed = facts.countersOf(event).some((counter) => !seen.has(counter) &&
            facts.wasKnown(event, counter));
        return missed ? new Map([[event, { ...event, answer: past.answer }]]) : undefined;
    },
    'knows it before it was sent'(event) {
        return one(event, (answer, request, altered) => {
            Object.assign(altered, { invoked: 0.1, completed: 0.2 });
        });
    },
    'is of what was deleted long ago'(event, facts) {
        const deletion = facts.inBucket(event, ({ op }) => op === 'delete').find(({ completed }) =>
            facts.inBucket(event, (other) => isShown(other) && other.invoked > completed &&
                other.completed < event.invoked).length > 0);
        if (!deletion) return undefined;
        return one(event, (answer, request, altered) => {
            altered.answer = { status: 200, collection_deleted: deletion.request.reason };
        });
    },
};

const others = {
    'tells of another deletion'(event) {
        if (!event.answer?.collection_deleted) return undefined;
        return one(event, (answer) => { answer.collection_deleted = { by: 'nobody' }; });
    },
    'calls another the same'(event) {
        const { answer, request } = event;
        if (!answer?.collection_changed || !answer.collection_id || answer.collection_id === request.id) {
            return undefined;
        }
        return one(event, (altered) => { delete altered.collection_changed; });
    },
    'has passed over what is of the filter'(event, facts) {
        const { answer, request } = event;
        if (event.op !== 'get' || !answer?.objects || !(request.include || request.exclude) ||
            answer.incomplete) return undefined;
        const [behind] = facts.inBucket(event, (other) => isShown(other) && idOf(other) === idOf(event) &&
            other.answer.objects?.some(([counter, { type }]) => counter > (answer.until ?? 0) &&
                counter > Math.max(request.since, ...facts.countersOf(event)) &&
                (request.include ? request.include.includes(type) : !request.exclude.includes(type))));
        if (!behind) return undefined;
        return one(event, (altered) => { altered.until = behind.answer.objects.at(-1)[0] + 1; });
    },
    'has not looked far enough'(event, facts) {
        const { answer, request } = event;
        if (!answer?.until || answer.incomplete || !(request.include || request.exclude) ||
            !facts.tellers.has(`${event.bucket} ${answer.until}`) ||
            !facts.wasKnown(event, answer.until)) return undefined;
        return one(event, (altered) => { delete altered.until; });
    },
};

const appends = {
    'gives other counters'(event, facts) {
        if (!facts.othersTell(event, event.answer.object_counters[0])) return undefined;
        return one(event, ({ object_counters: counters }) =>
            counters.forEach((counter, i) => { counters[i] = counter + 0.5; }));
    },
    'gives a counter too few'(event) {
        return one(event, ({ object_counters: counters }) => counters.pop());
    },
    'gives counters of another'(event, facts) {
        const [other] = facts.inBucket(event, (that) => isStored(that) && idOf(that) === idOf(event) &&
            that.request.objects !== event.request.objects &&
            that.answer.object_counters.length === event.answer.object_counters.length);
        if (!other) return undefined;
        return one(event, (answer) => { answer.object_counters = other.answer.object_counters; });
    },
    'says nothing of the seq'(event) {
        if (event.request.seq === undefined) return undefined;
        return one(event, (answer) => { delete answer.client_seq; });
    },
    'is refused for nothing'(event) {
        return one(event, (answer, { client }, altered) => {
            altered.answer = { status: 200, objects: [], since_invalid: true,
                ...(client ? { client_seq: 0, mine: [] } : {}) };
        });
    },
    'is stored unseen'(event, facts) {
        const { request, answer } = event;
        const unseen = request.since > 0 && !request.include && !request.exclude &&
            facts.inBucket(event, (other) => isShown(other) && idOf(other) === idOf(event) &&
                facts.countersOf(other).some((counter) => counter < answer.object_counters[0]));
        if (!unseen || unseen.length === 0) return undefined;
        return new Map(facts.events.filter((other) => other.request.objects === request.objects)
            .map((other) => [other, { ...other, request: { ...other.request, since: 0 } }]));
    },
    /* Its last object is nowhere, and its sender was never told. */
    'is torn'(event, facts) {
        const { request: { objects }, answer: { object_counters: counters } } = event;
        if (objects.length < 2) return undefined;
        const shows = (other) => facts.countersOf(other).includes(counters.at(-1)) &&
            idOf(other) === idOf(event);
        const read = (other) => isWhole(other) && shows(other) &&
            facts.countersOf(other).includes(counters[0]);
        if (facts.inBucket(event, read).length === 0) return undefined;
        const altered = new Map();
        for (const other of facts.inBucket(event, shows)) {
            if (other.request.objects === objects) {
                altered.set(other, { ...other, completed: Infinity, answer: undefined });
            } else {
                altered.set(other, { ...other, answer: { ...other.answer, objects:
                    other.answer.objects.filter(([counter]) => counter !== counters.at(-1)) } });
            }
        }
        return altered;
    },
};

/* [{ name, suits(event), alter }] */
const alterations = [[reads, isRead], [others, () => true], [appends, isStored]]
    .flatMap(([table, suits]) => Object.entries(table).map(([name, alter]) => ({ name, suits, alter })));

module.exports = { alterations, Facts };
