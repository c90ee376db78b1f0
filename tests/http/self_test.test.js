/* cutoutd --self-test: what it says of good and of bad places, and that it leaves nothing behind. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn } = require('node:child_process');
const { test, after } = require('node:test');
const { BINARY, runToEnd, withDeadline } = require('./lib/server.js');

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-self-test-'));
after(() => fs.rmSync(root, { recursive: true, force: true }));

const NAMES = ['file system', 'room', 'files', 'locks', 'several servers', 'open files', 'syncs'];

function emptyDirectory(name) {
    const directory = path.join(root, name);
    fs.mkdirSync(directory);
    return directory;
}

test('a good place: every check, figures that fit each other, and nothing left', async () => {
    const directory = emptyDirectory('good');
    const end = await runToEnd(['--self-test', directory, '--json']);
    assert.equal(end.code, 0, end.stdout + end.stderr);
    const { checks, syncs, verdict } = JSON.parse(end.stdout);
    assert.deepEqual(checks.map(({ name }) => name), NAMES);
    for (const check of checks) {
        assert.match(check.verdict, /^(ok|warning)$/, JSON.stringify(check));
        assert.match(check.text, /\w/);
    }
    assert.match(verdict, /^(ok|warning)$/);
    assert.deepEqual(syncs.map(({ appends }) => appends), [1, 64, 256]);
    for (const sync of syncs) {
        assert.ok(sync.samples >= 1 && sync.appends_per_second > 0);
        assert.ok(sync.median_us <= sync.p99_us && sync.p99_us <= sync.max_us);
    }
    assert.deepEqual(fs.readdirSync(directory), []);
});

test('for people: a line for each check, and one sentence', async () => {
    const end = await runToEnd(['--self-test', emptyDirectory('people')]);
    assert.equal(end.code, 0);
    const lines = end.stdout.trim().split('\n');
    assert.match(lines[0], /^Testing /);
    NAMES.forEach((name, i) => assert.match(lines[i + 1], new RegExp(`^  (ok|warning) +${name} +\\S`)));
    assert.match(lines.at(-2), /\d+ for 256 clients at once$/);
    assert.match(lines.at(-1), /people (is fit for a data directory|can be a data directory)/);
    assert.equal(end.stderr, '');
});

test('what is no directory to write into is named', async () => {
    fs.writeFileSync(path.join(root, 'file'), '');
    for (const [name, why] of [['nowhere', /No such file/], ['file', /Not a directory/]]) {
        const end = await runToEnd(['--self-test', path.join(root, name)]);
        assert.equal(end.code, 1);
        assert.match(end.stderr, why);
        assert.match(end.stderr, new RegExp(`${name}: cannot make a directory in it`));
        assert.equal(end.stdout, '');
    }
});

test('wrong usage', async () => {
    for (const args of [['--self-test'], ['--json'], ['--self-test', root, 'more']]) {
        assert.equal((await runToEnd(args)).code, 2, args.join(' '));
    }
});

test('a signal in the middle leaves nothing behind', async () => {
    const directory = emptyDirectory('stopped');
    const child = spawn(BINARY, ['--self-test', directory], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk) => { said += chunk; });
    child.stdout.once('data', () => child.kill('SIGTERM'));
    const code = await withDeadline(new Promise((resolve) => child.once('close', resolve)), 'its end');
    assert.equal(code, 1);
    assert.match(said, /stopped by signal 15/);
    assert.deepEqual(fs.readdirSync(directory), []);
});
