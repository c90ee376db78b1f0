/* The checker of histories (lib/history.js) lets good ones pass, and names what refutes a bad one: each rule
 * by a history made for it, and all of them by altering true ones. */
'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { checkHistory } = require('./lib/history.js');
const { randomFrom } = require('./lib/oracle.js');
const { record } = require('./lib/world.js');

const SEED = Number(process.env.HISTORY_SEED || 1);
const ALTERATIONS = 300;

/* ---- Histories made by hand ---------------------------------------------------------------- */

const object = (text, type = 'note') => ({ id: text[0], type, data: text });
const pairs = (texts) => Object.entries(texts).map(([counter, text]) => [Number(counter), object(text)]);

/* Each event begins after the one before has ended, unless `from` says when. */
class Story {
    events = [];
    tick = 0;

    add(event, answer) {
        const invoked = event.from ?? ++this.tick;
        this.events.push({ bucket: 'b', ...event, invoked,
            completed: answer ? ++this.tick : Infinity, answer: answer && { status: 200, ...answer } });
        return this;
    }

    post(client, seq, texts, since, answer, more = {}) {
        return this.add({ client, op: 'post', ...more,
            request: { client, seq, since, id: 'I', objects: texts.map((text) => object(text)),
                ...more.request } }, answer);
    }

    stored(client, seq, texts, since, counters, more) {
        return this.post(client, seq, texts, since, { object_counters: counters, client_seq: seq }, more);
    }

    get(client, since, texts, answer = {}, more = {}) {
        return this.add({ client, op: 'get', ...more, request: { client, since, id: 'I', ...more.request } },
            { objects: pairs(texts), ...answer });
    }

    delete(client, id) {
        return this.add({ client, op: 'delete', request: { id, reason: client } }, {});
    }
}

const story = () => new Story();
/* a1 and a2, b1 behind them, all read. */
const usual = () => story().stored('x', 1, ['a1', 'a2'], 0, [1, 2]).stored('y', 1, ['b1'], 2, [3])
    .get('z', 0, { 1: 'a1', 2: 'a2', 3: 'b1' });

const good = {
    'appends and reads': usual(),
    'a repeated POST': usual().stored('x', 1, ['a1', 'a2'], 0, [1, 2]),
    'a gap of counters': usual().stored('x', 2, ['c1'], 3, [9]).get('z', 3, { 9: 'c1' }),
    'a read beside an append that it does not see': usual()
        .get('z', 3, {}).stored('x', 2, ['c1'], 3, [4], { from: 1 }),
    'a refusal for what is newer': usual().post('x', 2, ['c1'], 2,
        { since_invalid: true, objects: pairs({ 3: 'b1' }) }),
    'what nobody knows became of': usual().post('x', 2, ['c1', 'c2'], 3).get('z', 3, {}),
    'an answer that got lost': usual().post('x', 2, ['c1', 'c2'], 3).get('z', 3, { 4: 'c1', 5: 'c2' }),
    'pages': usual().get('z', 0, { 1: 'a1' }, { incomplete: true, pending: 2 })
        .get('z', 1, { 2: 'a2', 3: 'b1' }),
    'a filter': usual().get('z', 0, {}, { until: 3 }, { request: { include: ['task'] } }),
    'a collection begun anew': usual().delete('x', 'I').get('z', 3, {}, { collection_deleted: 'x',
        objects: undefined }).stored('x', 2, ['c1'], 0, [4], { request: { id: undefined } }),
};
good['a collection begun anew'].events.at(-1).answer.collection_id = 'J';

for (const [name, { events }] of Object.entries(good)) {
    test(`good: ${name}`, () => {
        assert.deepEqual(checkHistory(events).map(({ rule, what }) => `${rule}: ${what}`), []);
    });
}

const gone = () => usual().delete('x', 'I');
const bad = {
    'one object for a counter': usual().get('z', 0, { 1: 'a1', 2: 'other', 3: 'b1' }),
    'stored once': usual().get('z', 3, { 4: 'a1' }),
    'a repeated POST gets its counters': usual().stored('x', 1, ['a1', 'a2'], 0, [1, 3]),
    'in order, above since': usual().get('z', 2, { 2: 'a2', 3: 'b1' }),
    'no gaps': usual().get('z', 0, { 1: 'a1', 3: 'b1' }),
    'nothing that was known is missing': usual().get('z', 0, { 1: 'a1', 2: 'a2' }),
    'all of an append or nothing': usual().post('x', 2, ['c1', 'c2'], 3).get('z', 3, { 4: 'c1' }),
    'nothing that nobody sent': usual().get('z', 3, { 4: 'ghost' }),
    'a filter lets nothing else through': usual()
        .get('z', 0, { 1: 'a1' }, { until: 3 }, { request: { include: ['task'] } }),
    'mine is what this client sent': usual().get('x', 0, { 1: 'a1', 2: 'a2', 3: 'b1' }, { mine: [1] }),
    'client_seq is the last one stored': usual().get('x', 3, {}, { client_seq: 0 }),
    'incomplete means that something is pending': usual()
        .get('z', 0, { 1: 'a1', 2: 'a2' }, { incomplete: true, pending: 0 }),
    'a counter for each object': usual().stored('x', 2, ['c1', 'c2'], 3, [4]),
    'an append stands together': usual().stored('x', 2, ['c1', 'c2'], 3, [4, 6])
        .stored('y', 2, ['d1'], 4, [5]),
    'nothing is stored unseen': usual().stored('x', 2, ['c1'], 2, [4]),
    'refused only for what is newer': usual().post('x', 2, ['c1'], 3, { since_invalid: true, objects: [] }),
    'what is refused is not stored': usual().post('x', 2, ['c1'], 2,
        { since_invalid: true, objects: pairs({ 3: 'b1' }) }).get('z', 3, { 4: 'c1' }),
    'a deletion tells who did it': gone().get('z', 3, {}, { objects: undefined, collection_deleted: '?' }),
    'what is deleted stays so': gone().get('z', 3, {}),
    'a collection begun anew goes on above': gone().stored('x', 2, ['c1'], 0, [3],
        { request: { id: undefined } }),
    'a good request is answered well': usual().post('x', 2, ['c1'], 3, { status: 409 }),
};
bad['a collection begun anew goes on above'].events.at(-1).answer.collection_id = 'J';

for (const [rule, { events }] of Object.entries(bad)) {
    test(`bad: ${rule}`, () => {
        const rules = checkHistory(events).map((violation) => violation.rule);
        assert.ok(rules.includes(rule), `found: ${rules.join(', ')}`);
    });
}

test('bad: 204 though something was newer', () => {
    const { events } = usual().add({ client: 'z', op: 'get', request: { client: 'z', since: 2, id: 'I' } },
        { status: 204 });
    assert.deepEqual(checkHistory(events).map(({ rule }) => rule), ['nothing that was known is missing']);
});

/* ---- True histories, altered --------------------------------------------------------------- */

/* How often each object is shown by an answer. */
function countShown(events) {
    const shown = new Map();
    for (const { answer, request } of events) {
        const texts = answer?.object_counters ? request.objects : answer?.objects?.map(([, o]) => o);
        for (const one of texts ?? []) shown.set(one.data, (shown.get(one.data) ?? 0) + 1);
    }
    return shown;
}

/* Each changes the answer of one event so that a promise is broken for sure, and says whether it could. */
const alterations = {
    'leaves one out'(answer, random, shown) {
        const { objects } = answer;
        const at = random(objects.length - 1);
        if (shown.get(objects[at][1].data) < 2) return false;
        objects.splice(at, 1);
        return true;
    },
    'changes one'(answer, random, shown) {
        const [, one] = answer.objects[random(answer.objects.length)];
        if (shown.get(one.data) < 2) return false;
        one.data += '?';
        return true;
    },
    'swaps two'({ objects }, random) {
        const at = random(objects.length - 1);
        [objects[at], objects[at + 1]] = [objects[at + 1], objects[at]];
        return true;
    },
    'shifts one'({ objects }, random, shown) {
        const pair = objects[random(objects.length)];
        if (shown.get(pair[1].data) < 2) return false;
        pair[0] += 0.5;
        return true;
    },
    'knows of what nobody sent'({ objects }) {
        objects.push([objects.at(-1)[0] + 1e6, { id: 'ghost', type: 'note', data: 'ghost' }]);
        return true;
    },
    'has forgotten what it stored'(answer) {
        answer.client_seq = 1e6;
        return true;
    },
};

test(`${ALTERATIONS} alterations of true histories are noticed (seed ${SEED})`, async (t) => {
    const random = randomFrom(SEED);
    const events = await record(SEED, { servers: 1, kills: false });
    assert.deepEqual(checkHistory(events), []);
    const shown = countShown(events);
    const candidates = events.filter(({ op, answer, request }) =>
        op === 'get' && answer?.objects?.length >= 2 && !request.include);
    const names = Object.keys(alterations);
    const counts = Object.fromEntries(names.map((name) => [name, 0]));
    for (let done = 0; done < ALTERATIONS;) {
        const name = names[random(names.length)];
        const event = candidates[random(candidates.length)];
        const altered = structuredClone(event.answer);
        if (!alterations[name](altered, random, shown)) continue;
        const history = events.map((one) => (one === event ? { ...event, answer: altered } : one));
        assert.ok(checkHistory(history).length > 0, `${name}: ${JSON.stringify(altered)}`);
        counts[name]++;
        done++;
    }
    t.diagnostic(JSON.stringify(counts));
});
