/* Every system call that fails, and every allocation: once, or from then on (docs/design.md, "What
 * is on disk when").
 *
 * A scenario is run with call 1 failing, then with call 2, until it is through before the fault has
 * been reached. FAULTS=all does that for everything; otherwise a sample, which FAULT_SEED determines,
 * is taken of each call that a scenario makes. FAULT_ONLY="write pwrite" runs one pair. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { startServer, login, withDeadline, PATIENCE } = require('../../http/lib/server.js');
const { CALLS, MEMORY } = require('./faults.js');
const { Run, CONF, EMAIL, ANYTHING } = require('./run.js');
const scenarios = require('./scenarios.js');

const ALL = process.env.FAULTS === 'all';
const SEED = Number(process.env.FAULT_SEED || 1);
const ONLY = (process.env.FAULT_ONLY || '').split(' ').filter(Boolean);
const SAMPLE = 2; /* points of each call */
const MEMORY_MOST = 400; /* of a scenario, when all are run: there are thousands */
const { EINTR } = os.constants.errno;

/* Without these nothing can be asked while they fail; once is enough. */
const ONCE_ONLY = ['accept4', 'epoll_ctl', 'epoll_wait', 'readv', 'writev', 'read', ...MEMORY];

function randomFrom(seed) {
    let state = seed >>> 0;
    return (below) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor(state / 4294967296 * below);
    };
}
const random = randomFrom(SEED);

/* Which faults to try, of a scenario that makes this many calls. */
function choose(call, count) {
    const faults = [];
    const most = MEMORY.includes(call) ? MEMORY_MOST : Infinity;
    for (let at = 1; at <= count; at += Math.max(1, Math.ceil(count / most))) {
        for (const errno of CALLS[call]) {
            faults.push({ at, errno, forever: false });
            if (errno !== EINTR && !ONCE_ONLY.includes(call)) faults.push({ at, errno, forever: true });
        }
    }
    while (!ALL && faults.length > SAMPLE) faults.splice(random(faults.length), 1);
    return faults;
}

async function explain(what, action) {
    try {
        return await action();
    } catch (error) {
        throw new Error(`${what()}: ${error.message}`, { cause: error });
    }
}

/* A server that runs: all faults of one call, one after the other. */
async function runOnServer(name, call) {
    const scenario = scenarios[name];
    const run = new Run(name, call);
    let tried = 0;
    await run.open();
    await scenario.prepare(run);
    run.fault = { at: 0, errno: 0 };
    run.faults.watch(call);
    await scenario.act(run);
    const { count } = run.faults.disarm();
    for (const fault of choose(call, count)) {
        await scenario.prepare(run);
        run.arm(fault);
        await explain(() => run.describe(), async () => {
            await scenario.act(run);
            run.faults.disarm();
            if (!run.server.running) assert.fail(JSON.stringify(await run.server.exited));
            await scenario.recover(run);
        });
        tried++;
    }
    await explain(() => `${name}: ${call}: afterwards`, () => run.close());
    return tried;
}

/* Resolves with true when it listens, false when it has ended as it should without saying so. */
async function tryToStart(server, call) {
    try {
        await server.start();
        return true;
    } catch (error) {
        const end = await withDeadline(server.exited, 'the end of the server');
        /* Without memory the line that says where it listens may be missing; then it was killed. */
        if (MEMORY.includes(call) && /not within/.test(error.message)) return false;
        assert.ok([1, 2].includes(end.code), `${JSON.stringify(end)} ${error.message}`);
        assert.match(server.stderr, /\S/, 'it said nothing');
        return false;
    }
}

/* A copy for each start, as the fault may spoil it. */
class Ground {
    async open(name) {
        this.model = new Run(name, 'none');
        await this.model.open();
        if (name === 'start with a journal') {
            await scenarios.write.prepare(this.model);
            this.model.fault = { at: 0, errno: 0 };
            await scenarios.write.act(this.model);
            await this.model.server.kill();
        } else {
            await this.model.server.stop();
            this.model.buckets = [];
            fs.rmSync(this.model.server.dataDir, { recursive: true });
        }
        this.template = this.model.server.dataDir;
        this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-ground-'));
        this.dataDir = path.join(this.directory, 'data');
        return this;
    }

    reset() {
        fs.rmSync(this.dataDir, { recursive: true, force: true });
        if (fs.existsSync(this.template)) fs.cpSync(this.template, this.dataDir, { recursive: true });
        else fs.mkdirSync(this.dataDir);
    }

    close() {
        fs.rmSync(this.directory, { recursive: true });
        this.model.faults.close();
    }
}

/* Starts on fresh copies: one server for each fault. */
async function runStarts(name, call, ground) {
    const run = new Run(name, call);
    run.buckets = ground.model.buckets;
    run.faults = ground.model.faults;
    ground.reset();
    run.faults.watch(call);
    run.server = await startServer({ conf: CONF, dataDir: ground.dataDir, env: run.faults.env,
        expectErrors: ANYTHING });
    const { count } = run.faults.disarm();
    const faults = choose(call, count);
    await run.server.stop();
    for (const fault of faults) {
        ground.reset();
        run.arm(fault);
        await explain(() => run.describe(), async () => {
            const started = await tryToStart(run.server, call);
            run.faults.disarm();
            if (!started) await run.server.start();
            run.token = await login(run.server, EMAIL);
            for (const bucket of run.buckets) await run.check(bucket);
            await run.append(run.bucket('after'));
            await run.server.restart();
            run.token = await login(run.server, EMAIL);
            for (const bucket of run.buckets) await run.check(bucket);
            await run.server.stop();
            run.buckets.pop();
        });
    }
    return faults.length;
}

/* Stops: what was stored before is there afterwards. */
async function runStops(name, call) {
    const run = new Run(name, call);
    let tried = 0;
    await run.open();
    await run.filled('stop');
    run.fault = { at: 0, errno: 0 };
    run.faults.watch(call);
    await run.server.stop();
    const { count } = run.faults.disarm();
    for (const fault of choose(call, count)) {
        await run.server.start();
        run.token = await login(run.server, EMAIL);
        await run.filled('stop');
        run.arm(fault);
        await explain(() => run.describe(), async () => {
            await run.server.stop();
            run.faults.disarm();
        });
        tried++;
    }
    await run.server.start();
    await explain(() => `${name}: ${call}: afterwards`, () => run.close());
    return tried;
}

/* libevent hears of a failure of epoll_ctl when it polls, and tells nobody. Starts without memory
 * are for when all is run: some of them have to be waited for. */
const isHopeless = (name, call) => name.startsWith('start') &&
    (call === 'epoll_ctl' || (!ALL && MEMORY.includes(call)));

const wanted = (name, call) => !isHopeless(name, call) &&
    (ONLY.length === 0 || (ONLY[0] === name.replaceAll(' ', '-') && (!ONLY[1] || ONLY[1] === call))) &&
    !(PATIENCE > 1 && MEMORY.includes(call)); /* a sanitizer has its own malloc */

async function runAll(t, name, action) {
    let tried = 0;
    for (const call of Object.keys(CALLS)) {
        if (!wanted(name, call)) continue;
        const faults = await action(call);
        if (faults > 0 && ALL) t.diagnostic(`${name}: ${call}: ${faults} faults`);
        tried += faults;
    }
    t.diagnostic(`${name}: ${tried} faults survived${ALL ? '' : ` (seed ${SEED})`}`);
}

for (const name of Object.keys(scenarios)) {
    test(`no failing call hurts: ${name}`, (t) => runAll(t, name, (call) => runOnServer(name, call)));
}
for (const name of ['start anew', 'start with a journal']) {
    test(`no failing call hurts: ${name}`, async (t) => {
        const ground = await new Ground().open(name);
        await runAll(t, name, (call) => runStarts(name, call, ground));
        ground.close();
    });
}
test('no failing call hurts: stop', (t) => runAll(t, 'stop', (call) => runStops('stop', call)));
