/* cutoutd --self-test: what it says of good and of bad places, and that it leaves nothing behind. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn, spawnSync } = require('node:child_process');
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
    for (const args of [['--self-test'], ['--self-test', ''], ['--json'], ['--self-test', root, 'more']]) {
        assert.equal((await runToEnd(args)).code, 2, args.join(' '));
    }
});

for (const [signal, number] of [['SIGTERM', 15], ['SIGINT', 2], ['SIGHUP', 1]]) test(`${signal} in the middle leaves nothing behind`, async () => {
    const directory = emptyDirectory(`stopped-${signal}`);
    const child = spawn(BINARY, ['--self-test', directory], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk) => { said += chunk; });
    child.stdout.once('data', () => child.kill(signal));
    const code = await withDeadline(new Promise((resolve) => child.once('close', resolve)), 'its end');
    assert.equal(code, 1);
    assert.match(said, new RegExp(`stopped by signal ${number}\\b`));
    assert.deepEqual(fs.readdirSync(directory), []);
});

test('nobody reads what it says: it fails, and leaves nothing behind', async () => {
    const directory = emptyDirectory('unread');
    const child = spawn(BINARY, ['--self-test', directory], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk) => { said += chunk; });
    child.stdout.once('data', () => child.stdout.destroy());
    const [code, signal] = await withDeadline(
        new Promise((resolve) => child.once('close', (...end) => resolve(end))), 'its end');
    assert.deepEqual([code, signal], [1, null]);
    assert.match(said, /cannot print what was found/);
    assert.deepEqual(fs.readdirSync(directory), []);
});

/* Mounts in a namespace of its own, which ends with the shell. */
function runOnTmpfs(options, prepare) {
    const at = fs.mkdtempSync(path.join(root, 'tmpfs-'));
    const script = `mount -t tmpfs -o "$2" none "$1" && cd "$1" && ${prepare} && {
        "$3" --self-test "$1"; echo "code $?"; ls -A "$1"; }`;
    return spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', at, options, BINARY],
        { encoding: 'utf8' });
}

const MOUNTS = runOnTmpfs('size=64k', ':').stdout?.includes('code ');
const skip = MOUNTS ? false : 'may not mount here';

test('a full disk is no place, and does not end it', { skip }, () => {
    /* 256 KB are room for all that comes before the mapped file, but not for its 512 KB. */
    for (const left of [0, 8, 64, 256]) {
        const end = runOnTmpfs('size=4m', `head -c $(((4096 - ${left}) * 1024)) /dev/zero >fill`);
        assert.match(end.stdout, /failed +(several servers|syncs) .*No space left/, end.stdout);
        assert.match(end.stdout, /is not fit for a data directory\.\ncode 1\nfill\n$/, end.stdout);
    }
});

test('what is mounted for reading only is no place', { skip }, () => {
    const end = runOnTmpfs('size=4m', 'cd / && mount -o remount,ro "$1"');
    assert.match(end.stderr, /cannot make a directory in it: Read-only file system/);
    assert.match(end.stdout, /^code 1\n$/);
});
