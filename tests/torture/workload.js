/* A recorded run of the server: clients that append, read and delete, several lives of the server,
 * most of them ended by SIGKILL, and a trace of all it did to its files and told its clients
 * (trace.h). What clients do is up to a seed; when which of them gets its turn is not.
 *
 *     const { directory, trace } = await record({ seed: 1, lives: 6, library, above });
 */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { randomFrom } = require('../faults/lib/oracle.js');
const { startServer, collection, withDeadline } = require('../http/lib/server.js');

const KIND = { sent: 20, delete: 21, stored: 22, refused: 23, deleted: 24, read: 25 };
const HEADER_SIZE = 24;
const BUSY = 503;
const NOT_FOUND = 404; /* says no server of a collection, but another's admin listener does */

const CONF = 'dev_login off\ntrusted_user_header X-User\ntrusted_proxies 127.0.0.1\n' +
    'journal_bytes 1m\ncheckpoint_interval 1s\nmax_post_objects 80\naccess_log off\n';

/* Changes of files that a life of the server lasts for at least, and by how many more at most. */
const LIFE_LEAST = 400;
const LIFE_MORE = 2600;
const REQUESTS_OF_CALM_LIFE = 300; /* one that ends by SIGTERM */
const REQUESTS_OF_LONG_LIFE = 1200; /* with some checkpoints */

/* What clients know, in the order in which they know it. */
class Marks {
    requests = 0;
    texts = new Map(); /* id of an object -> it as JSON */

    constructor(file) {
        this.fd = fs.openSync(file, 'a');
    }

    write(kind, number, at, text = '') {
        const body = Buffer.from(text);
        const record = Buffer.alloc(HEADER_SIZE + body.length);
        record.writeUInt32LE(record.length, 0);
        record.writeUInt32LE(kind, 4);
        record.writeBigUInt64LE(BigInt(number), 8);
        record.writeBigUInt64LE(BigInt(at), 16);
        body.copy(record, HEADER_SIZE);
        assert.equal(fs.writeSync(this.fd, record), record.length);
    }

    /* Returns the number of the request. */
    sent(where, seq, objects) {
        const lines = objects.map((object) => {
            const text = JSON.stringify(object);
            this.texts.set(object.id, text);
            return `${text}\n`;
        });
        this.write(KIND.sent, ++this.requests, seq, `${where}\n${lines.join('')}`);
        return this.requests;
    }

    read(where, id, pairs) {
        const lines = pairs.map(([counter, object]) =>
            `${counter} ${this.texts.get(object.id) ?? JSON.stringify(object)}\n`);
        this.write(KIND.read, 0, 0, `${where}\n${id}\n${lines.join('')}`);
    }

    close() {
        fs.closeSync(this.fd);
    }
}

/* A lost connection is part of the game, a wrong answer is not. */
class Lost extends Error {}

/* One client of one collection. habits: how often, of a hundred requests, it deletes and sends
 * large objects; after a deletion it rests for less than so many reads; hasSeq: it repeats what was
 * not answered. */
class Client {
    since = 0;
    id = undefined;
    seq = 0;
    made = 0;
    rests = 0; /* so many turns it only reads */
    pending = null; /* sent, and not answered */

    constructor(name, email, bucket, habits, marks, random) {
        Object.assign(this, { name, email, bucket, habits, marks, random });
        this.where = `app.example/${email}/${bucket}`;
    }

    connect(server) {
        this.notes = collection(server, { email: this.email, bucket: this.bucket,
            headers: { 'X-User': `${this.email}/app.example` } });
    }

    async ask(request) {
        try {
            const answer = await request();
            if (answer.status === NOT_FOUND) throw new Lost('the port is of another server now');
            if (answer.status !== BUSY) return answer;
        } catch (error) {
            if (error instanceof assert.AssertionError || error instanceof Lost) throw error;
            throw new Lost(error.message);
        }
        throw new Lost('another server has the collection');
    }

    makeObjects() {
        const kind = this.random(100);
        const large = kind < this.habits.large;
        const count = large ? 1 + this.random(3) : kind < 88 ? 1 + this.random(4) : this.random(60);
        return Array.from({ length: count }, () => ({
            id: `${this.name}-${++this.made}`,
            type: ['note', 'list', 'größe "ß"'][this.random(3)],
            data: (large ? 'long ' : 'é ').repeat(this.random(large ? 10000 : 60)),
        }));
    }

    /* One request, or one more attempt at the one before. */
    async act() {
        if (this.pending) return this.pending();
        const number = this.random(100);
        if (this.rests > 0) {
            this.rests--;
            return this.read();
        }
        if (number < this.habits.deletes) return this.remove();
        if (number < 82) return this.append(this.makeObjects());
        return number < 92 ? this.read() : this.fail();
    }

    async append(objects) {
        const seq = this.habits.hasSeq ? ++this.seq : undefined;
        const params = { since: this.since, collection_id: this.id,
            client: this.habits.hasSeq ? this.name : undefined, seq };
        const number = this.marks.sent(this.where, seq ?? 0, objects);
        /* Without seq, or without id, the server could not know it again. */
        const attempt = () => this.send(number, params, objects);
        this.pending = seq && this.id ? attempt : null;
        return attempt();
    }

    async send(number, params, objects) {
        const answer = await this.ask(() => this.notes.post(params, JSON.stringify(objects)));
        assert.equal(answer.status, 200, answer.text);
        this.pending = null;
        const counters = answer.json.object_counters;
        if (!counters) {
            this.marks.write(KIND.refused, number, 0);
            return this.learn(answer.json);
        }
        assert.equal(counters.length, objects.length, answer.text);
        const id = answer.json.collection_id ?? params.collection_id;
        this.marks.write(KIND.stored, number, 0, [id, ...counters].join(' '));
        this.id = id;
        this.since = Math.max(this.since, ...counters);
    }

    async remove() {
        const number = ++this.marks.requests;
        this.marks.write(KIND.delete, number, 0, `${this.where}\n`);
        this.pending = async () => {
            const answer = await this.ask(() => this.notes.del({ why: 'no more needed' }));
            assert.equal(answer.status, 200, answer.text);
            this.pending = null;
            this.marks.write(KIND.deleted, number, 0);
            this.forget();
            this.rests = this.random(this.habits.rests);
        };
        return this.pending();
    }

    async read() {
        const answer = await this.ask(() =>
            this.notes.get({ since: this.since, collection_id: this.id }));
        if (answer.status === 204) return;
        assert.equal(answer.status, 200, answer.text);
        this.learn(answer.json);
    }

    /* What an answer says about the collection. */
    learn(answer) {
        if (answer.collection_deleted) return this.forget();
        if (answer.collection_changed) this.since = 0;
        this.id = answer.collection_id ?? this.id;
        if (!answer.objects?.length) return;
        this.marks.read(this.where, this.id, answer.objects);
        this.since = Math.max(this.since, answer.objects.at(-1)[0]);
    }

    forget() {
        this.id = undefined;
        this.since = 0;
    }

    /* What must be refused and leave no trace. */
    async fail() {
        const many = Array.from({ length: 81 }, (_, i) => ({ id: i }));
        const [body, status] = [['[{"id":"a"', 400], ['[{"id":{}}]', 400],
            [JSON.stringify(many), 413], ['{}', 400]][this.random(4)];
        const answer = await this.ask(() => this.notes.post({ since: this.since }, body));
        assert.equal(answer.status, status, answer.text);
    }
}

function makeClients(marks, random) {
    const calm = { deletes: 0, large: 1, rests: 1, hasSeq: true };
    const old = { ...calm, hasSeq: false };
    const fickle = { ...calm, deletes: 12, rests: 2 };
    const brief = { ...calm, deletes: 40, rests: 16 };
    const heavy = { ...calm, deletes: 15, large: 80, rests: 6 };
    const kinds = [['ann', 'notes', calm], ['ann', 'shared', fickle], ['bob', 'notes', old],
        ['ann', 'shared', calm], ['ann', 'shared', old], ['bob', 'photos', heavy],
        ['bob', 'drafts', brief], ['eve', 'notes', fickle], ['eve', 'photos', heavy],
        ['eve', 'drafts', brief], ['eve', 'sketches', brief], ['bob', 'sketches', brief],
        ['ann', 'all', calm], ['ann', 'all', old]];
    return kinds.map(([user, bucket, habits], i) =>
        new Client(`c${i}`, `${user}@example.org`, bucket, habits, marks, random));
}

/* Until the server is gone, or (if it is not to be killed) has had so many requests. */
async function live(clients, requests) {
    let left = requests;

    await Promise.all(clients.map(async (client) => {
        try {
            while (left-- > 0) await client.act();
        } catch (error) {
            if (!(error instanceof Lost)) throw error;
        }
    }));
}

/* Each life begins with a user that was not there before, who stays. */
function newcomer(life, marks, random) {
    return new Client(`n${life}`, `new${life}@example.org`, 'notes',
        { deletes: 0, large: 1, rests: 1, hasSeq: true }, marks, random);
}

/* False if it was killed before it could serve: in its recovery, that is. */
async function startsUp(server) {
    try {
        await server.start();
        return true;
    } catch (error) {
        if ((await server.exited).signal !== 'SIGKILL') throw error;
        return false;
    }
}

/* In a directory of its own below `above`, with nothing in it yet. */
function prepare({ seed, library, above }) {
    const random = randomFrom(seed);
    const directory = path.join(fs.realpathSync(above), 'data');
    const trace = path.join(above, 'trace');
    fs.mkdirSync(directory);
    const marks = new Marks(trace);
    const env = { LD_PRELOAD: library, RECORD_TRACE: trace, RECORD_ROOT: directory };
    return { random, directory, trace, marks, env, clients: makeClients(marks, random) };
}

/* One server, several lives: { directory, trace }. library: record.c, built. */
async function record({ seed, lives, library, above }) {
    const { random, directory, trace, marks, env, clients } = prepare({ seed, library, above });
    let server;
    for (let life = 1; life <= lives; life++) {
        const calm = life === lives || life === 3;
        env.RECORD_KILL_AT = calm ? '0' : String(LIFE_LEAST + random(LIFE_MORE));
        server ??= await startServer({ conf: CONF, dataDir: directory, env });
        if (!server.running && !await startsUp(server)) continue;
        clients.push(newcomer(life, marks, random));
        clients.forEach((client) => client.connect(server));
        const requests = life === 3 ? REQUESTS_OF_LONG_LIFE : REQUESTS_OF_CALM_LIFE;
        await live(clients, calm ? requests : Infinity);
        if (calm) await server.stop();
        else await withDeadline(server.exited, 'waiting for the server to be killed');
    }
    marks.close();
    return { directory, trace };
}

/* Asks now this server, now that, as a balancer might, until nobody is to ask any more. */
async function wander(client, servers, state) {
    while (!state.ended) {
        const running = servers.filter((server) => server.running && server.port);
        if (running.length === 0) {
            await new Promise((resolve) => state.waiting.push(resolve));
            continue;
        }
        client.connect(running[state.random(running.length)]);
        try {
            for (let left = 1 + state.random(12); left > 0 && !state.ended; left--)
                await client.act();
        } catch (error) {
            if (!(error instanceof Lost)) throw error;
        }
    }
}

function tellStarted(state) {
    for (const resolve of state.waiting.splice(0)) resolve();
}

async function liveAndDie(server, lives, state) {
    for (let life = 0; life < lives; life++) {
        server.env.RECORD_KILL_AT = String(LIFE_LEAST + state.random(2 * LIFE_MORE));
        if (!await startsUp(server)) continue;
        tellStarted(state);
        await withDeadline(server.exited, 'waiting for a server to be killed');
    }
}

/* The same of several servers on one directory, each with so many lives. */
async function recordSeveral({ seed, lives, servers: count, library, above }) {
    const { random, directory, trace, marks, env, clients } = prepare({ seed, library, above });
    const state = { ended: false, waiting: [], random };
    const servers = [];
    for (let number = 0; number < count; number++) {
        const server = await startServer({ conf: CONF, dataDir: directory,
            args: ['-n', String(number + 1)], env: { ...env, RECORD_SERVER: String(number) } });
        servers.push(server);
    }
    for (const server of servers) await server.stop();

    const asking = Promise.all(clients.map((client) => wander(client, servers, state)));
    const ending = Promise.all(servers.map((server) => liveAndDie(server, lives, state)));
    await Promise.race([ending, asking]); /* who asks ends early only if something is wrong */
    state.ended = true;
    tellStarted(state);
    await asking;
    for (const server of servers) server.env.RECORD_KILL_AT = '0';
    for (const server of servers) await server.start();
    clients.forEach((client, i) => client.connect(servers[i % count]));
    await live(clients, REQUESTS_OF_CALM_LIFE);
    for (const server of servers) await server.stop();
    marks.close();
    return { directory, trace };
}

module.exports = { record, recordSeveral };
