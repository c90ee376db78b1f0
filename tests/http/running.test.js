/* What an operator meets: configuration, listeners, the admin listener, the files that are served. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { test, before, after } = require('node:test');
const { startServer, runToEnd, collection, raw, RawConnection, ROOT } = require('./lib/server.js');

let server;
let directory;

before(async () => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-test-site-'));
    fs.writeFileSync(path.join(directory, 'index.html'), '<!doctype html><title>app</title>');
    fs.writeFileSync(path.join(directory, '.secret'), 'secret');
    fs.mkdirSync(path.join(directory, 'sub'));
    fs.writeFileSync(path.join(directory, 'sub', 'app.js'), 'run();');
    fs.symlinkSync('/etc/passwd', path.join(directory, 'link'));
    server = await startServer({ conf: `document_root ${directory}\n` });
});
after(async () => {
    await server.stop();
    fs.rmSync(directory, { recursive: true, force: true });
});

/* Configuration */

const wrongConfs = [
    ['lisen 127.0.0.1:0', /cutout\.conf:1: .*lisen.*listen/],
    ['listen 127.0.0.1:0\nmax_post_bytes many', /cutout\.conf:2: max_post_bytes: .*many/],
    ['max_wait 1h 2h', /cutout\.conf:1: max_wait/],
    ['max_wait 5s\nmax_wait 6s', /cutout\.conf:2: max_wait: .*twice/],
    ['max_wait 5 parsecs', /cutout\.conf:1: max_wait/],
    ['dev_login maybe', /cutout\.conf:1: dev_login: .*maybe/],
    ['listen example.org:80', /cutout\.conf:1: listen: .*example\.org:80/],
    ['listen 127.0.0.1:99999', /cutout\.conf:1: listen/],
    ['durability sometimes', /cutout\.conf:1: durability: .*sometimes/],
    ['include nowhere.conf', /cutout\.conf:1: .*nowhere\.conf/],
    ['json_max_depth 0', /cutout\.conf:1: json_max_depth/],
];
for (const [conf, message] of wrongConfs) {
    test(`a wrong line is named with file, line and value: ${conf.split('\n').at(-1)}`, async () => {
        for (const args of [['-t'], []]) {
            const end = await runToEnd(args, { conf: `${conf}\n` });
            assert.equal(end.code, 1);
            assert.match(end.stderr, message);
            assert.equal(end.stderr.trim().split('\n').length, 1, end.stderr);
        }
    });
}

test('-t says that a good file is good', async () => {
    const end = await runToEnd(['-t'], { conf: 'listen 127.0.0.1:0\n' });
    assert.deepEqual([end.code, /ok/.test(end.stdout + end.stderr)], [0, true]);
});

test('-h, -V and a wrong option', async () => {
    const help = await runToEnd(['-h']);
    assert.equal(help.code, 0);
    for (const option of ['-c', '-t', '-n', '-h', '-V']) assert.ok(help.stdout.includes(option));
    assert.match((await runToEnd(['-V'])).stdout, /^cutoutd \d+\.\d+\.\d+/);
    assert.equal((await runToEnd(['--nonsense'])).code, 2);
});

test('conf/cutout.conf is what the program prints of its directives, and is good', async () => {
    const printed = (await runToEnd(['--print-reference'])).stdout;
    assert.equal(printed, fs.readFileSync(path.join(ROOT, 'conf/cutout.conf'), 'utf8'));
    assert.equal((await runToEnd(['-t'], { conf: printed })).code, 0);
    const all = printed.replace(/^#([a-z_]+ .*)$/gm, '$1');
    assert.equal((await runToEnd(['-t'], { conf: all })).code, 0);
});

test('{instance} becomes the number given by -n', async () => {
    const socket = path.join(directory, 'instance-7.sock');
    const instance = await startServer({ args: ['-n', '7'],
        conf: `listen 127.0.0.1:0 unix:${directory}/instance-{instance}.sock\n` });
    assert.ok(fs.existsSync(socket));
    await instance.stop();
    assert.ok(!fs.existsSync(socket));
});

test('a second server on the same data directory does not start, and says why', async () => {
    const end = await runToEnd([], { conf: 'listen 127.0.0.1:0\nadmin_listen 127.0.0.1:0\n' +
        `data_dir ${server.dataDir}\n` });
    assert.equal(end.code, 1);
    assert.match(end.stderr, /another cutoutd/);
});

/* Listeners */

const getFrom = (options) => new Promise((resolve, reject) => {
    http.get({ path: '/info', ...options }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
    }).on('error', reject);
});

test('several listeners: IPv4, IPv6, unix socket', async () => {
    const socketPath = path.join(directory, 'several.sock');
    const several = await startServer({
        conf: `listen 127.0.0.1:0 [::1]:0\nlisten unix:${socketPath}\n`,
    });
    const six = several.listeners.find((one) => one.startsWith('[::1]:'));
    assert.equal(await getFrom({ host: '127.0.0.1', port: several.port }), 200);
    assert.equal(await getFrom({ host: '::1', port: Number(six.split(']:')[1]) }), 200);
    assert.equal(await getFrom({ socketPath }), 200);
    await several.kill();
    assert.ok(fs.existsSync(socketPath), 'a killed server leaves its socket behind');
    await several.start();
    assert.equal(await getFrom({ socketPath }), 200);
    await several.stop();
});

test('beyond max_connections new connections wait until others end', async () => {
    const limited = await startServer({ conf: 'max_connections 40\n' });
    const notes = collection(limited);
    const { json } = await notes.post({}, [{ id: 'a' }]);
    const accepted = async () => (await limited.admin('/status')).json.connections.accepted;
    const early = new RawConnection(limited.port); /* the server's clock, accepted before the others */
    early.write(`GET ${notes.path}?auth=${notes.token}&since=1&collection_id=${json.collection_id}` +
        '&wait=2 HTTP/1.1\r\nHost: x\r\n\r\n');
    const many = Array.from({ length: 60 }, () => new RawConnection(limited.port));
    for (const one of many) one.write('GET /info HTTP/1.1\r\nHost: x\r\n\r\n');
    await limited.log.waitFor((text) => text.match(/GET \/info/g)?.length >= 10, 'the first answers');
    const before = await accepted();
    await early.waitFor(/ 204 /);
    assert.ok(await accepted() <= before + 2, `${before}, later ${await accepted()}`);
    for (const one of [early, ...many.slice(0, 30)]) one.destroy();
    await limited.log.waitFor((text) => text.match(/GET \/info/g)?.length > before, 'the next ones');
    for (const one of many) one.destroy();
    await limited.stop();
});

/* Admin */

test('the admin listener: health, ready, metrics, status', async () => {
    for (const target of ['/health', '/livez', '/ready', '/readyz'])
        assert.equal((await server.admin(target)).status, 200, target);
    await collection(server, {}).post({}, [{ id: 1 }]);
    const metrics = (await server.admin('/metrics')).text;
    assert.match(metrics, /^# TYPE cutout_\w+ counter$/m);
    assert.match(metrics, /^cutout_build_info\{.*version="/m);
    const status = (await server.admin('/status')).json;
    assert.equal(status.durability, 'always');
    assert.ok(status.pid > 0);
    assert.equal((await server.admin('/nothing')).status, 404);
    assert.equal((await server.admin('/drain')).status, 405);
});

test('admin addresses are not on the public listener', async () => {
    for (const target of ['/health', '/metrics', '/status', '/ready'])
        assert.equal((await server.request('GET', target)).status, 404, target);
    assert.notEqual((await server.request('POST', '/drain')).status, 200);
});

/* What is served */

test('/info says what a client needs to size its requests', async () => {
    const { json } = await server.request('GET', '/info');
    for (const name of ['max_post_bytes', 'max_post_objects', 'max_object_bytes',
        'max_response_bytes', 'max_response_objects', 'max_wait'])
        assert.ok(json.limits ? json.limits[name] > 0 : json[name] > 0, name);
    assert.match(json.version, /^\d+\.\d+/);
});

test('/syncclient.js has Sync.baseUrl set to where it came from, and an ETag', async () => {
    const script = await server.request('GET', '/syncclient.js');
    assert.equal(script.status, 200);
    assert.match(script.headers['content-type'], /javascript/);
    assert.ok(script.text.includes(`Sync.baseUrl = "${server.url}"`));
    assert.ok(!script.text.includes('Sync.baseUrl = null'));
    const { etag } = script.headers;
    const again = await server.request('GET', '/syncclient.js', { headers: { 'If-None-Match': etag } });
    assert.deepEqual([again.status, again.text], [304, '']);
    const head = await server.request('HEAD', '/syncclient.js');
    assert.deepEqual([head.status, head.text, head.headers.etag], [200, '', etag]);
});

test('a Host that is none does not get into the script', async () => {
    for (const host of ['evil.example";alert(1)//', 'a b', 'x/../y'])
        assert.equal((await server.request('GET', '/syncclient.js', { headers: { Host: host } })).status, 400);
});

test('document_root is served with types, ETags and a policy', async () => {
    const page = await server.request('GET', '/');
    assert.match(page.headers['content-type'], /^text\/html/);
    assert.match(page.headers['content-security-policy'], /default-src 'self'/);
    assert.equal(page.headers['x-content-type-options'], 'nosniff');
    const script = await server.request('GET', '/sub/app.js');
    assert.equal(script.text, 'run();');
    const unchanged = await server.request('GET', '/sub/app.js',
        { headers: { 'If-None-Match': script.headers.etag } });
    assert.equal(unchanged.status, 304);
});

test('hidden files, links and what is outside are not served', async () => {
    for (const target of ['/.secret', '/link', '/sub', '/%2e%2e/etc/passwd',
        '/sub/..%2f.secret', '//etc/passwd', '/sub/app.js/x'])
        assert.equal((await server.request('GET', target)).status, 404, target);
});

test('every answer has a request id, which the log has too', async () => {
    const answer = await server.request('GET', '/info');
    assert.match(answer.headers['x-request-id'], /^[0-9a-f]{16}$/);
    await server.waitForLog(new RegExp(answer.headers['x-request-id']));
});

test('nobody can begin a line of the log, or paint the terminal', async () => {
    const logging = await startServer();
    await logging.request('GET', '/app.example/ann@example.org/n?since=%0A2026-01-01T00:00:00Z%20error%20forged%1b[2J');
    await raw(logging.port, 'GET /\x1b[2J\rforged HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await logging.stop();
    assert.doesNotMatch(logging.stderr, /[\0-\x09\x0b-\x1f\x7f]/);
    assert.doesNotMatch(logging.stderr, /^2026-01-01/m);
    assert.match(logging.stderr, /\\x0a2026-01-01/);
});

test('the log as JSON is one object a line', async () => {
    const logging = await startServer({ conf: 'log_format json\n' });
    await logging.request('GET', '/info?auth=x%22y');
    await logging.waitForLog(/"target"/);
    await logging.stop();
    for (const line of logging.stderr.trim().split('\n')) {
        const { time, level } = JSON.parse(line);
        assert.match(time, /^\d{4}-\d\d-\d\dT/);
        assert.match(level, /^[a-z]+$/);
    }
});
