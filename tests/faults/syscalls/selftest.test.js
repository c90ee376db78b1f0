/* cutoutd --self-test on a disk that fails: it says which check, ends with 1, and leaves nothing. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { test } = require('node:test');
const { BINARY } = require('../../http/lib/server.js');
const { Faults, CALLS } = require('./faults.js');

/* How a disk shows that it is no place for data. */
const TESTED = ['openat', 'pread', 'pwrite', 'ftruncate', 'fsync', 'fdatasync', 'renameat', 'unlinkat',
    'mkdirat', 'fcntl', 'socket'];
const POINTS = [1, 3]; /* of each call */

function runWith(faults, directory) {
    const end = spawnSync(BINARY, ['--self-test', directory, '--json'],
        { env: { ...process.env, ...faults.env }, encoding: 'utf8' });
    assert.equal(end.signal, null, end.stderr);
    assert.deepEqual(fs.readdirSync(directory), [], 'something was left behind');
    return { code: end.status, ...JSON.parse(end.stdout) };
}

for (const call of TESTED) {
    test(`--self-test notices that ${call} fails`, () => {
        const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-self-test-'));
        const faults = new Faults();
        let noticed = 0;
        for (const at of POINTS) {
            const [errno] = CALLS[call];
            faults.arm({ call, at, errno, forever: true });
            const { code, checks, verdict } = runWith(faults, directory);
            const { hits } = faults.disarm();
            const failed = checks.filter((check) => check.verdict === 'failed');
            assert.equal(code, failed.length > 0 ? 1 : 0);
            assert.equal(verdict === 'failed', failed.length > 0);
            for (const { text } of failed) assert.match(text, /\w\w/);
            if (hits > 0) assert.ok(failed.length > 0, `${call} ${at}: ${JSON.stringify(checks)}`);
            noticed += failed.length;
        }
        assert.ok(noticed > 0);
        fs.rmSync(directory, { recursive: true });
    });
}
