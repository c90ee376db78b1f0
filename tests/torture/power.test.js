/* Power loss, tried on a recording of the real server (workload.js) at thousands of moments
 * (torture.c); and that this test can fail: with any one kind of sync left out, and with any one of
 * the lines that recovery relies on (mutants.js), something is found to be lost.
 *
 * POWER_STATES says how many states are tried in a run (2000), half of them of a recording of one
 * server, half of one of several on one directory; POWER_RUNS says how many runs there are (1),
 * POWER_SEED which (1). A recording in which something was lost is kept. */
'use strict';

const assert = require('node:assert/strict');
const { execFile, execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { ROOT } = require('../http/lib/server.js');
const mutants = require('./mutants.js');
const { record, recordSeveral } = require('./workload.js');

const STATES = Number(process.env.POWER_STATES || 2000);
const RUNS = Number(process.env.POWER_RUNS || 1);
const SEED = Number(process.env.POWER_SEED || 1);
const LIVES = 8; /* of the server, in a recording */
const SERVERS = 4;
const LIVES_OF_EACH = 3;

/* What is left out has to be noticed within so many states: mostly within the few of the first try.
 * The rarest shows in about one state of 400, so that it stays hidden once in 10^8 recordings. */
const MUTANT_STATES = [500, 8000];
const LOST = 1; /* how torture.c ends then */

/* Lacks that recovery makes up for nearly always: only a long run (POWER_RUNS) looks for them. */
const RARE = ['journal-ended'];

/* Set by make. */
const TORTURE = process.env.TORTURE;
const LIBRARY = process.env.TORTURE_LIBRARY;
const LINK = process.env.TORTURE_LINK; /* a command; takes -o NAME FILE.c */
const PARTS = process.env.TORTURE_PARTS; /* what is linked behind that */
const KEEP = process.env.TORTURE_KEEP;

const work = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-power-'));
const recordings = [];

/* Resolves with how it ended and what it said. */
function torture(program, args, seed = SEED) {
    const jobs = String(os.availableParallelism());

    return new Promise((resolve) => {
        execFile(program, ['-j', jobs, '-s', String(seed), ...args], (error, stdout, stderr) =>
            resolve({ code: error ? error.code : 0, said: (stdout + stderr).trim() }));
    });
}

function keep(recording, seed) {
    const kept = path.join(KEEP, path.basename(path.dirname(recording.trace)));

    fs.mkdirSync(KEEP, { recursive: true });
    fs.copyFileSync(recording.trace, kept);
    return `kept: make power-state TRACE=${kept} SEED=${seed} STATE=...`;
}

async function tryStates(t, recording, seed) {
    const states = String(Math.ceil(STATES / 2));
    const { code, said } = await torture(TORTURE,
        ['-n', states, '-d', recording.directory, recording.trace], seed);
    for (const line of said.split('\n')) t.diagnostic(line);
    assert.equal(code, 0, code === 0 ? '' : `${said}\n${keep(recording, seed)}`);
}

function testPowerCuts(what, seed, makeRecording) {
    test(`power cuts of ${what} lose nothing (seed ${seed})`, async (t) => {
        const above = fs.mkdtempSync(path.join(work, 'recording-'));
        const recording = await makeRecording({ seed, library: LIBRARY, above });
        recordings.push(recording);
        await tryStates(t, recording, seed);
    });
}

for (let seed = SEED; seed < SEED + RUNS; seed++) {
    testPowerCuts('a server', seed, (options) => record({ ...options, lives: LIVES }));
    testPowerCuts(`${SERVERS} servers`, seed, (options) =>
        recordSeveral({ ...options, lives: LIVES_OF_EACH, servers: SERVERS }));
}

async function mustBeNoticed(program, args) {
    let end;
    for (const states of MUTANT_STATES) {
        for (const recording of recordings) {
            end = await torture(program, ['-n', String(states), ...args, recording.trace]);
            if (end.code === LOST) return;
        }
    }
    assert.fail(`it was not noticed: ${end.said}`);
}

const kinds = TORTURE ? execFileSync(TORTURE, ['list'], { encoding: 'utf8' }) : '';
for (const kind of kinds.trim().split('\n')) {
    if (RUNS === 1 && RARE.includes(kind)) continue;
    test(`it is noticed without syncs "${kind}"`, () =>
        mustBeNoticed(TORTURE, ['-w', kind]));
}

function build(mutant) {
    const source = fs.readFileSync(path.join(ROOT, mutant.file), 'utf8');
    const name = path.join(work, path.basename(mutant.file));
    const program = path.join(work, 'mutant');

    const words = mutant.text.split(/\s+/).map((word) => word.replace(/[^\w]/g, '\\$&'));
    const pattern = new RegExp(words.join('\\s+'), 'g');
    assert.equal(source.match(pattern)?.length, 1, `${mutant.file} has it once`);
    fs.writeFileSync(name, source.replace(pattern, () => mutant.by));
    execFileSync('sh', ['-c', `${LINK} -w -o ${program} ${name} ${PARTS}`],
        { cwd: ROOT, stdio: 'inherit' });
    return program;
}

for (const mutant of mutants) {
    if (RUNS === 1 && mutant.isRare) continue;
    test(`it is noticed without ${mutant.name}`, () => mustBeNoticed(build(mutant), []));
}

before(() => assert.ok(TORTURE, 'run it by "make check-power"'));
after(() => fs.rmSync(work, { recursive: true, force: true }));
