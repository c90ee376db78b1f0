/* What many clients cost: ten thousand that wait, a thousand that are woken at once, and thousands
 * that do all slowly, while others want their polls answered. Prints figures; fails where they are
 * beyond what docs/performance.md promises.
 *
 *     node tests/torture/crowd.js        (make torture-crowd)
 *
 * CROWD_SCALE (1) multiplies all numbers of clients. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const { startServer, collection } = require('../http/lib/server.js');

const SCALE = Number(process.env.CROWD_SCALE || 1);
const WAITING = Math.round(9000 * SCALE);
const WOKEN = Math.round(1000 * SCALE);
const DRIPPING_HEADS = Math.round(5000 * SCALE);
const DRIPPING_BODIES = Math.round(2000 * SCALE);
const NOT_READING = Math.round(1000 * SCALE);
const TICKS_A_SECOND = 100;

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const quantile = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
const say = (what, value) => console.log(`  ${what.padEnd(58)} ${value}`);

function memoryOf(server) {
    const status = fs.readFileSync(`/proc/${server.child.pid}/status`, 'utf8');
    return Number(status.match(/VmRSS:\s+(\d+)/)[1]) / 1024;
}

/* Seconds of a core that it has used. */
function usedBy(server) {
    const fields = fs.readFileSync(`/proc/${server.child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

async function metric(server, name) {
    const { text } = await server.admin('/metrics');
    return Number(text.match(new RegExp(`^${name} (\\d+)$`, 'm'))[1]);
}

/* So many sockets, some at a time, each given to `use`. */
async function connectMany(server, count, use) {
    const sockets = [];
    while (sockets.length < count) {
        const some = Array.from({ length: Math.min(200, count - sockets.length) }, () => new Promise((resolve) => {
            const socket = net.connect(server.port, '127.0.0.1', () => resolve(socket));
            socket.on('error', () => {});
            use(socket);
        }));
        sockets.push(...await Promise.all(some));
    }
    return sockets;
}

/* Milliseconds that each of `count` polls took, one after the other on one connection, sorted. */
function poll(server, path, count) {
    return new Promise((resolve, reject) => {
        const times = [];
        const socket = net.connect(server.port, '127.0.0.1');
        let begun;
        const ask = () => {
            begun = process.hrtime.bigint();
            socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
        };
        socket.setNoDelay(true);
        socket.on('connect', ask);
        socket.on('error', reject);
        socket.on('data', (data) => {
            assert.match(data.toString('latin1', 0, 12), /^HTTP\/1\.1 20/);
            times.push(Number(process.hrtime.bigint() - begun) / 1e6);
            if (times.length < count) return ask();
            socket.destroy();
            resolve(times.sort((a, b) => a - b));
        });
    });
}

async function waiting() {
    const server = await startServer({ conf: 'max_connections 20000\naccess_log off\n' });
    const [quiet, news] = ['quiet', 'news'].map((bucket) => collection(server, { bucket }));
    for (const each of [quiet, news]) await each.post({}, [{ id: 'a' }]);
    const before = memoryOf(server);
    const held = (of) => `GET ${of.path}?auth=${of.token}&since=1&wait=50 HTTP/1.1\r\nHost: x\r\n\r\n`;
    const sockets = await connectMany(server, WAITING, (socket) => socket.write(held(quiet)));
    const woken = [];
    sockets.push(...await connectMany(server, WOKEN, (socket) => {
        socket.write(held(news));
        socket.on('data', () => woken.push(Number(process.hrtime.bigint())));
    }));
    while (await metric(server, 'cutout_requests_under_way') < WAITING + WOKEN);
    const memory = memoryOf(server);
    say(`${WAITING + WOKEN} clients that wait, memory`, `${memory.toFixed(0)} MB (${before.toFixed(0)} before)`);
    const used = usedBy(server);
    await pause(5000);
    const share = (usedBy(server) - used) / 5 * 100;
    say('processor time while they wait', `${share.toFixed(1)} %`);
    const begun = Number(process.hrtime.bigint());
    await news.post({ since: 1 }, [{ id: 'b' }]);
    while (woken.length < WOKEN) await pause(1);
    const times = woken.map((at) => (at - begun) / 1e6).sort((a, b) => a - b);
    say(`${WOKEN} of them woken by one append, p99`, `${quantile(times, 0.99).toFixed(1)} ms`);
    for (const socket of sockets) socket.destroy();
    await server.stop();
    assert.ok(memory < 100 * Math.max(1, SCALE), 'more than 100 MB');
    assert.ok(share < 2, 'more than 2 % of a core');
    assert.ok(quantile(times, 0.99) < 100, 'more than 100 ms');
}

/* Each comes back as often as it is cut off. */
function keep(server, count, use, stopped) {
    const start = () => {
        if (stopped()) return;
        const socket = net.connect(server.port, '127.0.0.1');
        socket.on('error', () => {});
        socket.on('close', () => setImmediate(start));
        use(socket);
    };
    for (let i = 0; i < count; i++) setTimeout(start, i / 2);
}

async function slow() {
    const server = await startServer({ conf: 'max_connections 20000\naccess_log off\n' });
    const notes = collection(server, { bucket: 'notes' });
    await notes.post({}, Array.from({ length: 9 }, (_, id) => ({ id, data: 'x'.repeat(100000) })));
    const path = `${notes.path}?auth=${notes.token}`;
    await poll(server, `${path}&since=9`, 2000);
    const alone = await poll(server, `${path}&since=9`, 5000);
    let ended = false;
    const drip = (socket, text) => {
        let at = 0;
        const timer = setInterval(() => socket.write(text[at++ % text.length]), 2000);
        socket.on('close', () => clearInterval(timer));
    };
    keep(server, DRIPPING_HEADS, (socket) => drip(socket, 'GET /info HTTP/1.1 '), () => ended);
    keep(server, DRIPPING_BODIES, (socket) => {
        socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n`);
        drip(socket, '[');
    }, () => ended);
    keep(server, NOT_READING, (socket) => {
        socket.pause();
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    }, () => ended);
    await pause((DRIPPING_HEADS / 2) + 1000);
    const open = await metric(server, 'cutout_connections_open');
    const beside = await poll(server, `${path}&since=9`, 20000);
    say(`polls alone, p50 and p99`, `${quantile(alone, 0.5).toFixed(2)} ms, ${quantile(alone, 0.99).toFixed(2)} ms`);
    say(`polls beside ${open} slow clients, p50 and p99`,
        `${quantile(beside, 0.5).toFixed(2)} ms, ${quantile(beside, 0.99).toFixed(2)} ms`);
    say('memory beside them', `${memoryOf(server).toFixed(0)} MB`);
    ended = true;
    await server.kill();
    assert.ok(quantile(beside, 0.99) < 20, 'p99 beside slow clients is above 20 ms');
}

async function main() {
    console.log('Many clients');
    await waiting();
    await slow();
    process.exit(0);
}

main();
