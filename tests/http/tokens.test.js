/* cutoutctl token: made, read and ended beside a server. docs/man/cutoutctl.1 */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { spawnSync } = require('node:child_process');
const os = require('node:os');
const path = require('node:path');
const { test, before, after } = require('node:test');

const { startServer, collection, ROOT } = require('./lib/server.js');

const PROGRAM = process.env.CUTOUTCTL || path.join(ROOT, 'build/cutoutctl');
const ANN = 'ann@example.org';
const AUDIENCE = 'https://app.example';

let directory, secret, server;

before(async () => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-tokens-'));
    secret = path.join(directory, 'secret');
    server = await startServer({ conf: `dev_login off\ntoken_secret_file ${secret}\n` });
});

after(async () => {
    await server.stop();
    fs.rmSync(directory, { recursive: true });
});

function token(args, input) {
    const { status, stdout, stderr } = spawnSync(PROGRAM, ['token', ...args], { encoding: 'utf8', input });
    assert.doesNotMatch(stderr, /Sanitizer|runtime error/);
    return { status, stdout, stderr };
}

function issue(...more) {
    const { status, stdout, stderr } = token(['issue', '-s', secret, '-a', AUDIENCE, ...more, ANN]);
    assert.equal(status, 0, stderr);
    return stdout.trim();
}

const statusOf = async (text) => (await collection(server, { token: text }).get()).status;

test('a token that was issued lets in', async () => {
    assert.equal(await statusOf(issue()), 200);
});

test('inspect says whose it is, and with the secret whether it is good', () => {
    const text = issue('-l', '2h');
    const { status, stdout } = token(['inspect', '-s', secret, text]);
    assert.equal(status, 0);
    const [payload, verdict] = stdout.split('\n');
    const { email, audience, issued, expires, began, session } = JSON.parse(payload);
    assert.deepEqual([email, audience, expires - issued, began], [ANN, AUDIENCE, 7200, issued]);
    assert.match(session, /^[\w-]{16}$/);
    assert.match(verdict, /^good for 7\d\d\d s/);
    assert.equal(token(['inspect', text]).status, 0);
    const bad = `${text.slice(0, -1)}${text.endsWith('A') ? 'E' : 'A'}`;
    const refused = token(['inspect', '-s', secret, bad]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /signature/);
});

test('revoke logs one session out, or all of the user', async () => {
    const [first, second, third] = [issue(), issue(), issue()];
    assert.equal(token(['revoke', '-u', server.url, '-'], `${first}\n`).status, 0);
    assert.deepEqual([await statusOf(first), await statusOf(second)], [401, 200]);
    assert.equal(token(['revoke', '-u', server.url, '-e', second]).status, 0);
    assert.deepEqual([await statusOf(second), await statusOf(third)], [401, 401]);
    const again = token(['revoke', '-u', server.url, first]);
    assert.equal(again.status, 1);
    assert.match(again.stderr, /answers 401.*logged out/);
});

for (const [name, args, status, says] of [
    ['no command', [], 2, /issue, inspect or revoke/],
    ['another command', ['make'], 2, /unknown command "token make"/],
    ['an unknown option', ['issue', '-x'], 2, /unknown option -x/],
    ['an option without its value', ['issue', '-s'], 2, /-s wants a value/],
    ['too many words', ['inspect', 'a', 'b'], 2, /unexpected "b"/],
    ['no secret', ['issue', '-a', AUDIENCE, ANN], 2, /issue wants/],
    ['a secret that is not there', ['issue', '-s', '/nowhere/secret', '-a', AUDIENCE, ANN], 2, /is not there/],
    ['no token', ['inspect'], 2, /wants a TOKEN/],
    ['what is none', ['inspect', 'abc'], 1, /no token/],
    ['no server', ['revoke', 'v1.a.b.c'], 2, /--url/],
    ['a server that is not there', ['revoke', '-u', 'http://127.0.0.1:1', 'v1.a.b.c'], 2, /127\.0\.0\.1/],
    ['a URL of another kind', ['revoke', '-u', 'file:///etc', 'v1.a.b.c'], 2, /file:/],
]) {
    test(`${name} is told`, () => {
        const result = token(args);
        assert.equal(result.status, status, result.stderr);
        assert.match(result.stderr, says);
    });
}

test('a wrong e-mail, site or time is told, and a secret is not made', () => {
    const missing = path.join(directory, 'missing');
    for (const [args, says] of [
        [['-s', secret, '-a', AUDIENCE, 'ann'], /"ann" is no e-mail address/],
        [['-s', secret, '-a', 'app.example', ANN], /origin/],
        [['-s', secret, '-a', AUDIENCE, '-l', 'long', ANN], /long/],
        [['-s', secret, '-a', AUDIENCE, '-l', '9999d', ANN], /from 1s to 366d/],
        [['-s', missing, '-a', AUDIENCE, ANN], /is not there/],
    ]) {
        const result = token(['issue', ...args]);
        assert.equal(result.status, 2);
        assert.match(result.stderr, says);
    }
    assert.ok(!fs.existsSync(missing));
});

test('--help is for standard output', () => {
    const { status, stdout } = token(['--help']);
    assert.equal(status, 0);
    assert.match(stdout, /token issue.*\n.*token inspect.*\n.*token revoke/);
});
