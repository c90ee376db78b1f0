/* The checker of histories (lib/history.js) lets good ones pass, and names what refutes a bad one: each rule
 * by a history made for it, and all of them by altering true ones (lib/alterations.js). */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { test } = require('node:test');
const { alterations, Facts } = require('./lib/alterations.js');
const { checkHistory } = require('./lib/history.js');
const { randomFrom } = require('./lib/oracle.js');
const { record } = require('./lib/world.js');

const SEED = Number(process.env.HISTORY_SEED || 1);
const ALTERATIONS = 400;

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
        return this.post(client, seq, texts, since, { object_counters: counters, client_seq: seq,
            ...more?.answer }, more);
    }

    /* x has stored its first batch, and there are no objects of it among these. */
    refused(texts, since, objects, answer = {}) {
        return this.post('x', 2, texts, since,
            { since_invalid: true, objects: pairs(objects), mine: [], client_seq: 1, ...answer });
    }

    /* Of an old client; a request may say otherwise. */
    get(client, since, texts, answer = {}, request = {}, more = {}) {
        return this.add({ client, op: 'get', request: { since, id: 'I', ...request }, ...more },
            { objects: pairs(texts), ...answer });
    }

    nothingNew(since, request = {}) {
        return this.add({ client: 'z', op: 'get', request: { since, id: 'I', ...request } },
            { status: 204 });
    }

    deleted(since, client, request = {}) {
        return this.get('z', since, {}, { objects: undefined, collection_deleted: { by: client } },
            request);
    }

    delete(client, id) {
        return this.add({ client, op: 'delete', request: { id, since: 0, reason: { by: client } } }, {});
    }

    /* A collection J, begun by a batch. */
    anew(client, seq, texts, counters) {
        return this.stored(client, seq, texts, 0, counters,
            { request: { id: undefined }, answer: { collection_id: 'J' } });
    }
}

const story = () => new Story();
/* a1 and a2, b1 behind them, all read. */
const usual = () => story().stored('x', 1, ['a1', 'a2'], 0, [1, 2]).stored('y', 1, ['b1'], 2, [3])
    .get('z', 0, { 1: 'a1', 2: 'a2', 3: 'b1' });
const gone = () => usual().delete('v', 'I');
const anew = () => gone().anew('x', 2, ['c1'], [4]);
const tasks = { include: ['task'] };
const all = { 1: 'a1', 2: 'a2', 3: 'b1' };
const asX = { client: 'x' };

const good = {
    'appends and reads': usual(),
    'a repeated POST': usual().stored('x', 1, ['a1', 'a2'], 0, [1, 2]),
    'a gap of counters': usual().stored('x', 2, ['c1'], 3, [9]).get('z', 3, { 9: 'c1' }),
    'a read beside an append that it does not see': usual()
        .get('z', 3, {}, {}, {}).stored('x', 2, ['c1'], 3, [4], { from: 1 }),
    'a refusal for what is newer': usual().refused(['c1'], 2, { 3: 'b1' }),
    'what nobody knows became of': usual().post('x', 2, ['c1', 'c2'], 3).get('z', 3, {}),
    'an answer that got lost': usual().post('x', 2, ['c1', 'c2'], 3).get('z', 3, { 4: 'c1', 5: 'c2' }),
    'pages': usual().get('z', 0, { 1: 'a1' }, { incomplete: true, pending: 2 }, { limit: 1 })
        .get('z', 1, { 2: 'a2', 3: 'b1' }, {}, { limit: 2 }),
    'a filter that lets nothing through': usual().get('z', 0, {}, { until: 3 }, tasks),
    'a filter that lets all through': usual().get('z', 0, all, {}, { exclude: ['task'] }),
    'nothing new': usual().nothingNew(3),
    'whose objects these are': usual().get('x', 0, all, { mine: [1, 2], client_seq: 1 }, asX)
        .get('w', 0, all, { mine: [], client_seq: 0 }, { client: 'w' }),
    'an append that minds tasks only': usual().stored('x', 2, ['c1'], 1, [4], { request: tasks }),
    'an old client that lost an answer': usual().post('x', undefined, ['c1'], 3)
        .stored('x', undefined, ['c1'], 3, [4]),
    'an old client that came too late a second time': usual().post('x', undefined, ['c1'], 3)
        .stored('y', 2, ['d1'], 4, [5]).post('x', undefined, ['c1'], 3, { since_invalid: true,
            objects: pairs({ 4: 'c1', 5: 'd1' }) }, { request: { client: undefined } }),
    'a seq that is past': usual().stored('x', 3, ['c1'], 3, [4])
        .post('x', 2, ['d1'], 4, { status: 409, error: 'seq_old' }),
    'a collection that nobody wrote to': story().get('z', 0, {}, {}, { id: undefined }),
    'a deletion': gone().deleted(3, 'v').post('x', 2, ['c1'], 3, { collection_deleted: { by: 'v' } }),
    'a collection begun anew': anew().get('z', 3, { 4: 'c1' },
        { collection_changed: true, collection_id: 'J' }),
    'a deletion of what is there no more': anew().delete('w', 'I')
        .get('z', 0, { 4: 'c1' }, {}, { id: 'J' }),
    'a stream that went back': usual().get('z', 5, all, { collection_changed: true, collection_id: 'I' }),
};

for (const [name, { events }] of Object.entries(good)) {
    test(`good: ${name}`, () => {
        assert.deepEqual(checkHistory(events).map(({ rule, what }) => `${rule}: ${what}`), []);
    });
}

const bad = {
    'one object for a counter': [usual().get('z', 0, { 1: 'a1', 2: 'other', 3: 'b1' }),
        usual().stored('x', 2, ['c1'], 3, [3])],
    'stored once': [usual().get('z', 3, { 4: 'a1' }), usual().post('x', 1, ['a1', 'a2'], 0)
        .get('z', 0, { ...all, 4: 'a1', 5: 'a2' })],
    'a repeated POST gets its counters': [usual().stored('x', 1, ['a1', 'a2'], 0, [1, 3])],
    'a counter for each object': [usual().stored('x', 2, ['c1', 'c2'], 3, [4])],
    'in order, above since': [usual().get('z', 2, { 2: 'a2', 3: 'b1' }),
        usual().add({ client: 'z', op: 'get', request: { since: 0, id: 'I' } },
            { objects: pairs(all).reverse() })],
    'a filter lets nothing else through': [usual().get('z', 0, { 1: 'a1' }, { until: 3 }, tasks),
        usual().get('z', 0, { 1: 'a1' }, { until: 3 }, { exclude: ['note'] })],
    'no more than the limit': [usual().get('z', 0, { 1: 'a1', 2: 'a2' }, { incomplete: true, pending: 1 },
        { limit: 1 })],
    'no gaps': [usual().get('z', 0, { 1: 'a1', 3: 'b1' }),
        usual().get('z', 0, {}, { until: 3 }, { exclude: ['task'] }),
        usual().get('z', 3, {}, { until: 4 }, { exclude: ['task'] }).stored('x', 2, ['c1'], 3, [4])],
    'nothing that was known is missing': [usual().get('z', 0, { 1: 'a1', 2: 'a2' }),
        usual().nothingNew(2), usual().nothingNew(2, tasks),
        story().stored('x', 1, ['a1'], 0, [1]).get('z', 0, {})],
    'until is above what was returned': [usual().get('z', 0, all, { until: 3 })],
    'until is how far was looked': [usual().get('z', 0, {}, { until: 2 }, tasks),
        usual().get('z', 0, {}, {}, tasks)],
    'incomplete means that something is pending': [
        usual().get('z', 0, { 1: 'a1', 2: 'a2' }, { incomplete: true, pending: 0 }),
        usual().get('z', 0, { 1: 'a1' }, { incomplete: true, pending: 1 })],
    'nothing that nobody sent': [usual().get('z', 3, { 4: 'ghost' })],
    'all of an append or nothing': [usual().post('x', 2, ['c1', 'c2'], 3).get('z', 3, { 4: 'c1' }),
        usual().post('x', 2, ['c1', 'c2'], 3).get('z', 0, { ...all, 5: 'c2' })],
    'mine is what this client sent': [usual().get('x', 0, all, { mine: [1], client_seq: 1 }, asX),
        usual().get('x', 0, all, { mine: [1, 2, 3], client_seq: 1 }, asX),
        usual().get('x', 0, all, { client_seq: 1 }, asX)],
    'client_seq is the last one stored': [usual().get('x', 3, {}, { mine: [], client_seq: 0 }, asX),
        usual().get('x', 3, {}, { mine: [], client_seq: 2 }, asX),
        usual().refused(['c1'], 2, { 3: 'b1' }).get('x', 3, {}, { mine: [], client_seq: 2 }, asX),
        anew().get('y', 3, { 4: 'c1' }, { collection_id: 'J', collection_changed: true, mine: [],
            client_seq: 1 }, { client: 'y' }),
        usual().stored('x', 2, ['c1'], 3, [4], { answer: { client_seq: 1 } })],
    'nothing goes into another collection': [gone().anew('x', 2, ['c1'], [4]).post('y', 2, ['d1'], 4)
        .get('z', 3, { 4: 'c1', 5: 'd1' }, { collection_id: 'J', collection_changed: true })],
    'an append stands together': [
        usual().stored('x', 2, ['c1', 'c2'], 3, [4, 6]).stored('y', 2, ['d1'], 4, [5]),
        usual().post('x', 2, ['c1', 'c2'], 3).get('z', 3, { 4: 'c2', 5: 'c1' }),
        usual().post('x', 2, ['c1', 'c2'], 3).stored('y', 2, ['d1'], 4, [5]).get('z', 3,
            { 4: 'c1', 5: 'd1', 6: 'c2' })],
    'nothing is stored unseen': [usual().stored('x', 2, ['c1'], 2, [4]),
        usual().post('x', 2, ['c1'], 2).get('z', 3, { 4: 'c1' }),
        usual().stored('x', 2, ['c1'], 2, [4], { request: { exclude: ['task'] } }),
        usual().stored('x', undefined, ['c1'], 2, [4])],
    'what comes later stands above': [story().stored('x', 1, ['a1'], 0, [5])
        .stored('y', 1, ['b1'], 9, [3]), story().get('z', 0, { 1: 'a1' }).post('x', 1, ['a1'], 0)],
    'what is refused is not stored': [
        usual().refused(['c1'], 2, { 3: 'b1' }).get('z', 3, { 4: 'c1' }),
        gone().post('x', 2, ['c1'], 3, { collection_deleted: { by: 'v' } })
            .anew('y', 2, ['d1'], [4]).get('z', 3, { 4: 'd1', 5: 'c1' },
                { collection_id: 'J', collection_changed: true })],
    'who has lost an answer gets it': [usual().post('x', undefined, ['c1'], 3)
        .post('x', undefined, ['c1'], 3, { since_invalid: true, objects: pairs({ 4: 'c1' }) },
            { request: { client: undefined } })],
    'refused only for what is newer': [usual().refused(['c1'], 3, {})],
    'an answer says which collection': [usual().stored('x', 2, ['c1'], 3, [4],
        { request: { id: undefined } })],
    'what was there does not vanish': [usual().get('z', 0, {}, {}, { id: undefined }),
        usual().get('z', 3, {}, { collection_changed: true }), gone().get('z', 0, {}, {}, { id: undefined })],
    'another collection is called another': [anew().get('z', 3, { 4: 'c1' }, { collection_id: 'J' })],
    'what is the same is not called another': [
        usual().get('z', 2, all, { collection_changed: true, collection_id: 'I' }),
        usual().get('z', 0, all, { collection_changed: true, collection_id: 'I' }, { id: undefined })],
    'what is deleted stays so': [gone().get('z', 3, {}), gone().nothingNew(3),
        anew().get('z', 0, all), usual().delete('v').get('z', 0, all),
        usual().add({ client: 'v', op: 'delete', request: { id: 'I', since: 0, reason: { by: 'v' } } })
            .anew('x', 2, ['c1'], [4]).get('z', 0, all)],
    'a deletion tells who did it': [gone().deleted(3, '?')],
    'what was begun anew is there': [anew().deleted(3, 'v'), anew().deleted(3, 'v', { id: 'J' })],
    'only what was named is deleted': [anew().delete('w', 'I').deleted(0, 'w', { id: 'J' })],
    'a collection begun anew goes on above': [gone().anew('x', 2, ['c1'], [3])],
    'only a deletion ends a collection': [usual().anew('x', 2, ['c1'], [4]),
        usual().delete('v', 'H').anew('x', 2, ['c1'], [4])],
    'a good request is answered well': [usual().post('x', 2, ['c1'], 3, { status: 409 }),
        usual().post('x', 2, ['c1'], 3, { status: 409, error: 'seq_old' })],
};

for (const [rule, stories] of Object.entries(bad)) {
    test(`bad: ${rule}`, () => {
        for (const { events } of stories) {
            const found = checkHistory(events);
            const named = found.find((violation) => violation.rule === rule);
            assert.ok(named, `found of ${JSON.stringify(events.at(-1))}: ${found.map((one) => one.rule)}`);
            assert.ok(named.events.length > 0);
        }
    });
}

test('each rule of the checker has a history that it refutes', () => {
    const source = fs.readFileSync(require.resolve('./lib/history.js'), 'utf8');
    const rules = [...source.matchAll(/violate\('([^']+)'/g)].map(([, rule]) => rule);
    assert.deepEqual([...new Set(rules)].sort(), Object.keys(bad).sort());
});

/* ---- True histories, altered --------------------------------------------------------------- */

/* The first event from a random one on that lends itself to it. */
function alterSome(events, alter, random) {
    const begin = random(events.length);
    for (let i = 0; i < events.length; i++) {
        const altered = alter(events[(begin + i) % events.length]);
        if (altered) return altered;
    }
    return undefined;
}

test(`${ALTERATIONS} alterations of true histories are noticed (seed ${SEED})`, async (t) => {
    const random = randomFrom(SEED);
    const events = await record(SEED, { servers: 1, deletes: 4, requests: 700 });
    assert.deepEqual(checkHistory(events).map(({ rule, what }) => `${rule}: ${what}`), []);
    const facts = new Facts(events);
    const counts = Object.fromEntries(alterations.map(({ name }) => [name, 0]));
    for (let done = 0; done < ALTERATIONS; done++) {
        const { name, suits, alter } = alterations[done % alterations.length];
        const altered = alterSome(events, (event) => suits(event) && alter(event, facts, random), random);
        if (!altered) continue; /* nothing of that kind has happened */
        const history = events.map((one) => altered.get(one) ?? one);
        assert.ok(checkHistory(history).length > 0,
            `${name}: ${JSON.stringify([...altered.values()])}`);
        counts[name]++;
    }
    const noticed = Object.values(counts).reduce((sum, count) => sum + count);
    assert.ok(noticed > ALTERATIONS * 3 / 4, JSON.stringify(counts));
    t.diagnostic(JSON.stringify(counts));
});
