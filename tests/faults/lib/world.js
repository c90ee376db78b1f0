/* Servers that are killed, clients that act, and the history of it. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { startServer } = require('../../http/lib/server.js');
const { assertSound, randomFrom } = require('./oracle.js');
const { History, Client } = require('./driver.js');

const CLIENTS_LEAST = 16; /* and twice as many at most */
const TRIES_MOST = 1000; /* of what is answered with 503, when all is over */
const EMAIL = 'ann@example.org', DOMAIN = 'app.example';
const CONF = 'dev_login off\ntrusted_user_header X-User\ntrusted_proxies 127.0.0.1\n' +
    'journal_bytes 1m\ncheckpoint_interval 1s\naccess_log off\n';

/* Several servers on one directory; which of them runs, clients find out. */
class World {
    history = new History();
    buckets = ['a', 'b', 'c'];
    headers = { 'X-User': `${EMAIL}/${DOMAIN}`, 'Content-Type': 'application/json' };
    cuts = 8;    /* per cent of all requests */
    waiting = [];

    /* deletes: per cent of what is no POST */
    constructor(random, deletes) {
        Object.assign(this, { random, deletes });
        this.dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-history-'));
    }

    async open(count) {
        this.servers = await Promise.all(Array.from({ length: count }, (_, i) => startServer({
            conf: CONF, dataDir: this.dataDir, keepData: true,
            args: count > 1 ? ['-n', String(i + 1)] : [] })));
    }

    async urlOf(bucket) {
        for (;;) {
            const running = this.servers.filter((server) => server.running && server.url);
            if (running.length > 0) {
                const { url } = running[this.random(running.length)];
                return `${url}/${DOMAIN}/${EMAIL}/${bucket}`;
            }
            await new Promise((resolve) => this.waiting.push(resolve));
        }
    }

    async killOne() {
        const server = this.servers[this.random(this.servers.length)];
        server.url = undefined;
        await server.kill();
        await server.start();
        for (const resolve of this.waiting.splice(0)) resolve();
    }

    async close() {
        for (const server of this.servers) await server.stop();
        assertSound(this.dataDir);
        fs.rmSync(this.dataDir, { recursive: true });
    }
}

/* Kills as long as clients act, each after some acts more. */
async function killAlways(world, state) {
    while (state.acting > 0) {
        await new Promise((resolve) => { state.onAct = resolve; state.left = 20 + world.random(80); });
        if (state.acting > 0) await world.killOne();
    }
}

async function actAll(world, clients, { kills, requests }) {
    const acts = Math.ceil(requests / clients.length);
    const state = { acting: clients.length, left: 0, onAct: null };
    const killing = kills ? killAlways(world, state) : null;
    await Promise.all(clients.map(async (client) => {
        for (let i = 0; i < acts; i++) {
            await client.act();
            if (--state.left <= 0) state.onAct?.();
        }
        if (--state.acting === 0) state.onAct?.();
    }));
    await killing;
}

/* What was cut is sent again to the end, and all is read once more. */
async function settle(world, clients) {
    world.cuts = 0;
    for (const client of clients) {
        for (let tries = 0; client.pending; tries++) {
            assert.ok(tries < TRIES_MOST, `${client.name} gets no answer: ${client.pending.body}`);
            await client.post();
        }
    }
    for (const bucket of world.buckets) await clients[0].get(bucket, { whole: true });
}

/* The events of one history; servers, requests: how many; kills: whether; deletes: as in World. */
async function record(seed, { servers, kills = false, deletes = 2, requests = 2000 }) {
    const random = randomFrom(seed);
    const world = new World(random, deletes);
    await world.open(servers);
    const count = CLIENTS_LEAST + random(CLIENTS_LEAST + 1);
    const clients = Array.from({ length: count }, (_, i) =>
        new Client(`c${i}`, world, randomFrom(seed * CLIENTS_LEAST * 2 + i)));
    await actAll(world, clients, { kills, requests });
    await settle(world, clients);
    await world.close();
    return world.history.events;
}

/* One line of figures. */
function describe(events) {
    const count = (test) => events.filter(test).length;
    const counters = new Set(events.flatMap((e) => [...(e.answer?.object_counters ?? []),
        ...(e.answer?.objects?.map(([counter]) => counter) ?? [])].map((counter) => `${e.bucket} ${counter}`)));
    return `${events.length} requests, ${count((e) => e.answer?.object_counters)} stored, ` +
        `${count((e) => e.answer?.since_invalid)} refused, ` +
        `${count((e) => e.op === 'get' && e.answer)} reads, ` +
        `${count((e) => e.answer?.collection_changed || e.answer?.collection_deleted)} told of a ` +
        `deletion, ${count((e) => !e.answer)} without an answer, ${counters.size} counters`;
}

module.exports = { record, describe };
