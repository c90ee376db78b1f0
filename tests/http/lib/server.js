/* What every black-box test needs: a server of its own, users, collections, raw sockets.
 *
 *     const { startServer, collection } = require('./lib/server.js');
 *
 *     test('an empty collection answers 200', async () => {
 *         const server = await startServer();
 *         const notes = collection(server, { email: 'ann@example.org' });
 *         assert.deepEqual((await notes.get()).json.objects, []);
 *         await server.stop();
 *     });
 *
 * Each server has a fresh directory and free ports. One that a test leaves running is stopped and
 * checked when the file ends; if anything failed, the logs of all servers of the file are printed.
 * Nothing here sleeps: everything waits for an event and gives up loudly at a deadline. */
'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { EventEmitter } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { after } = require('node:test');

const ROOT = path.resolve(__dirname, '../../..');
const BINARY = process.env.CUTOUTD || path.join(ROOT, 'build/cutoutd');
const PATIENCE = Number(process.env.TEST_PATIENCE || 1); /* more under a sanitizer */
const DEADLINE_MS = 20000 * PATIENCE;
const LOG_LINES_SHOWN = 200;

const SANITIZER_REPORT = /ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:/;
/* "TIME error text" or {"time":...,"level":"error",...} */
const ERROR_LINE = /^\S+ (\S+ )?\[?error\]?:? |"level": ?"error"/;

const servers = new Set();

/* Rejects when the promise has not settled in time; what says what was waited for. */
function withDeadline(promise, what, ms = DEADLINE_MS) {
    let timer;
    const late = new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/* The text that comes from somewhere, and waiting for something in it. */
class Transcript extends EventEmitter {
    text = '';
    ended = false;

    add(chunk) {
        this.text += chunk;
        this.emit('change');
    }

    end() {
        this.ended = true;
        this.emit('change');
    }

    /* Resolves with what find(text) returns as soon as that is neither null nor false. */
    waitFor(find, what, ms) {
        let check;
        const found = new Promise((resolve, reject) => {
            check = () => {
                const result = find(this.text);
                if (result !== null && result !== false) {
                    resolve(result);
                } else if (this.ended) {
                    reject(new Error(`${what}: it ended before. It said:\n${this.text}`));
                }
            };
            this.on('change', check);
            check();
        });
        return withDeadline(found, what, ms)
            .catch((error) => {
                if (!this.ended) error.message += `. It said:\n${this.text}`;
                throw error;
            })
            .finally(() => this.off('change', check));
    }
}

/* ---- HTTP ---------------------------------------------------------------------------------- */

/* { status, headers, body (Buffer), text, json }; json is undefined when the body is no JSON. Each
 * request has its own connection unless an agent is given. */
function request(url, { method = 'GET', headers = {}, body, agent = false } = {}) {
    const answer = new Promise((resolve, reject) => {
        const sent = http.request(url, { method, headers, agent }, (response) => {
            const chunks = [];
            response.on('data', (chunk) => chunks.push(chunk));
            response.on('error', reject);
            response.on('end', () => resolve(readAnswer(response, Buffer.concat(chunks))));
        });
        sent.on('error', reject);
        sent.end(body);
    });
    return withDeadline(answer, `${method} ${url}`);
}

function readAnswer(response, body) {
    const answer = { status: response.statusCode, headers: response.headers, body };
    answer.text = body.toString('utf8');
    try {
        answer.json = JSON.parse(answer.text);
    } catch {
        answer.json = undefined;
    }
    return answer;
}

/* {since: 3, include: ['a', 'b'], delete: true, wait: undefined} -> ?since=3&include=a&include=b&delete */
function queryString(params = {}) {
    const parts = [];
    for (const [name, value] of Object.entries(params)) {
        for (const one of [value].flat()) {
            if (one === undefined) continue;
            const escaped = encodeURIComponent(name);
            parts.push(one === true ? escaped : `${escaped}=${encodeURIComponent(one)}`);
        }
    }
    return parts.length ? `?${parts.join('&')}` : '';
}

/* ---- The server ---------------------------------------------------------------------------- */

class Server {
    constructor({ conf = '', args = [], dataDir, keepData = false, expectErrors = [], wrap = [],
        env = {} }) {
        this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-test-'));
        this.confFile = path.join(this.directory, 'cutout.conf');
        this.dataDir = dataDir || path.join(this.directory, 'data');
        this.conf = completeConf(conf, this.dataDir);
        this.args = args;
        this.keepData = keepData;
        this.expectErrors = expectErrors;
        this.wrap = wrap;
        this.env = env;
        this.pastLogs = '';
        this.log = new Transcript();
        this.child = null;
    }

    /* Everything it said on stderr, of all its runs. */
    get stderr() {
        return this.pastLogs + this.log.text;
    }

    get running() {
        return this.child !== null;
    }

    async start() {
        fs.mkdirSync(this.dataDir, { recursive: true });
        fs.writeFileSync(this.confFile, this.conf);
        this.pastLogs += this.log.text;
        this.log = new Transcript();
        this.spawn();
        try {
            await this.learnAddresses();
        } catch (error) {
            this.signal('SIGKILL');
            throw error;
        }
        return this;
    }

    spawn() {
        const { log } = this;
        const [program, ...args] = [...this.wrap, BINARY, '-c', this.confFile, ...this.args];
        const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'],
            env: { ...process.env, ...this.env } });
        this.child = child;
        this.exited = new Promise((resolve) => {
            child.once('error', (error) => {
                log.add(`${BINARY}: ${error.message}\n`);
                resolve({ code: null, signal: null, error });
            });
            child.once('close', (code, signal) => resolve({ code, signal }));
        }).then((end) => {
            this.child = null;
            log.end();
            return end;
        });
        child.stderr.setEncoding('utf8');
        child.stderr.on('data', (chunk) => log.add(chunk));
        /* A server that nobody stopped must not keep the test file from ending. */
        child.unref();
        child.stderr.unref();
    }

    async learnAddresses() {
        const expected = countListeners(this.conf);
        this.listeners = await this.log.waitFor((text) => {
            const found = [...text.matchAll(/listening on ([^\s"]+)/g)].map((match) => match[1]);
            return found.length >= expected && found;
        }, 'waiting for "listening on ADDRESS"');
        this.port = firstPort(this.listeners);
        this.url = this.port && `http://127.0.0.1:${this.port}`;
        this.adminPort = Number((await this.waitForLog(/admin on 127\.0\.0\.1:(\d+)/))[1]);
        this.adminUrl = `http://127.0.0.1:${this.adminPort}`;
        if (/^dev_login\s+on/m.test(this.conf)) {
            this.devToken = (await this.waitForLog(/dev login token: ([^\s"]+)/))[1];
        }
    }

    /* Resolves with the match as soon as this run's log has it. */
    waitForLog(pattern, ms) {
        return this.log.waitFor((text) => text.match(pattern), `waiting for log ${pattern}`, ms);
    }

    signal(name) {
        if (this.child) this.child.kill(name);
    }

    /* SIGTERM; fails when it does not end well or said what it should not have. */
    async stop() {
        if (!this.child) return;
        this.signal('SIGTERM');
        let end;
        try {
            end = await withDeadline(this.exited, 'stopping the server');
        } catch (error) {
            await this.kill();
            throw error;
        }
        this.checkLog();
        assert.deepEqual(end, { code: 0, signal: null }, 'the server did not end well');
    }

    /* SIGKILL, and gone when this resolves. The data stay. */
    async kill() {
        this.signal('SIGKILL');
        await withDeadline(this.exited, 'killing the server');
    }

    /* Stops it unless it is stopped, and starts it on the same data, on new ports unless samePort. */
    async restart({ samePort = false } = {}) {
        await this.stop();
        if (samePort) {
            this.conf = this.conf.replace(/^listen .*$/m, `listen 127.0.0.1:${this.port}`);
        }
        return this.start();
    }

    checkLog() {
        assert.doesNotMatch(this.stderr, SANITIZER_REPORT, 'a sanitizer found something');
        const unexpected = this.stderr.split('\n').filter((line) => ERROR_LINE.test(line) &&
            !this.expectErrors.some((pattern) => pattern.test(line)));
        assert.deepEqual(unexpected, [], 'the server logged errors');
    }

    /* path begins with "/" */
    request(method, pathAndQuery, options = {}) {
        return request(this.url + pathAndQuery, { ...options, method });
    }

    admin(pathAndQuery, options = {}) {
        return request(this.adminUrl + pathAndQuery, options);
    }
}

/* The test's own lines, and the defaults for what they do not mention. */
function completeConf(conf, dataDir) {
    const defaults = {
        listen: '127.0.0.1:0',
        admin_listen: '127.0.0.1:0',
        data_dir: dataDir,
        log_level: 'info',
        dev_login: 'on',
        logins_per_address: '0', /* all tests come from one */
        logins_per_user: '0',
    };
    const lines = Object.entries(defaults)
        .filter(([name]) => !new RegExp(`^\\s*${name}\\s`, 'm').test(conf))
        .map(([name, value]) => `${name} ${value}`);
    return `${lines.join('\n')}\n${conf.replace(/^\s+/gm, '')}\n`;
}

function countListeners(conf) {
    return [...conf.matchAll(/^listen\s+([^#\n]*)/gm)]
        .reduce((sum, match) => sum + match[1].trim().split(/\s+/).length, 0);
}

function firstPort(listeners) {
    const address = listeners.find((listener) => listener.startsWith('127.0.0.1:'));
    return address && Number(address.split(':')[1]);
}

/* Options: conf (further lines; they replace the defaults they name), args (of the command line),
 * dataDir (default: a fresh one), keepData (do not remove it), expectErrors (patterns of lines of
 * level error that are meant to be there), wrap (a command to run it by), env (more variables).
 * Resolves when the server listens. */
async function startServer(options = {}) {
    const server = new Server(options);
    servers.add(server);
    return server.start();
}

/* Runs the program to its end, for -t, -h and confs that it must refuse: { code, stdout, stderr }.
 * With conf, exactly these lines are its -c FILE. */
async function runToEnd(args, { conf } = {}) {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-test-'));
    const file = path.join(directory, 'cutout.conf');
    if (conf !== undefined) fs.writeFileSync(file, conf);
    const child = spawn(BINARY, conf === undefined ? args : ['-c', file, ...args], { cwd: ROOT });
    const result = { code: null, stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => { result.stdout += chunk; });
    child.stderr.on('data', (chunk) => { result.stderr += chunk; });
    const exited = new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('close', resolve);
    });
    try {
        result.code = await withDeadline(exited, `${BINARY} ${args.join(' ')}`);
    } finally {
        child.kill('SIGKILL');
        fs.rmSync(directory, { recursive: true, force: true });
    }
    assert.doesNotMatch(result.stderr, SANITIZER_REPORT);
    return result;
}

/* ---- Users and collections ----------------------------------------------------------------- */

/* Logs in by dev login and returns the token. audience is the app's origin. */
async function login(server, email, audience = 'http://app.example') {
    const form = new URLSearchParams({ assertion: `dev:${server.devToken}:${email}`, audience });
    const answer = await server.request('POST', '/verify', {
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: form.toString(),
    });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json?.status, 'okay', answer.text);
    return answer.json.auth.query.auth;
}

class Collection {
    constructor(server, { email, domain, bucket, token, headers }) {
        this.server = server;
        this.headers = headers; /* what a proxy says who it is; then no login is needed */
        this.email = email;
        this.domain = domain;
        this.path = `/${[domain, email, ...bucket.split('/')].map(encodeURIComponent).join('/')}`;
        this.token = token; /* logs in at the first request when there is none */
    }

    /* Any request to the collection's URL, logged in. params as for queryString. */
    async raw(method, { params = {}, headers, body, suffix = '' } = {}) {
        if (!this.headers) {
            this.token ??= await login(this.server, this.email, `http://${this.domain}`);
        }
        const query = queryString({ ...params, auth: this.token });
        return this.server.request(method, this.path + suffix + query,
            { headers: { ...this.headers, ...headers }, body });
    }

    get(params) {
        return this.raw('GET', { params });
    }

    /* body: an array (or any value) to send as JSON, or a string or Buffer to send as it is */
    post(params, body) {
        const asItIs = typeof body === 'string' || Buffer.isBuffer(body);
        return this.raw('POST', {
            params,
            headers: { 'Content-Type': 'application/json' },
            body: asItIs ? body : JSON.stringify(body),
        });
    }

    /* Deletes the collection. */
    del(reason = {}) {
        return this.post({ delete: true }, reason);
    }
}

/* One user's data in one app. */
function collection(server, { email = 'ann@example.org', domain = 'app.example', bucket = 'notes',
    token, headers } = {}) {
    return new Collection(server, { email, domain, bucket, token, headers });
}

/* ---- Raw sockets --------------------------------------------------------------------------- */

/* A connection for bytes that no HTTP library would send. What comes is in received.text, one
 * character a byte. */
class RawConnection {
    constructor(port, options = {}) {
        this.received = new Transcript();
        this.socket = net.connect({ port, host: '127.0.0.1', ...options });
        this.socket.setEncoding('latin1');
        this.socket.on('data', (chunk) => this.received.add(chunk));
        this.socket.on('error', () => {}); /* a reset is an end; 'close' follows */
        this.closed = new Promise((resolve) => this.socket.once('close', resolve));
        this.closed.then(() => this.received.end());
    }

    write(bytes) {
        this.socket.write(bytes);
    }

    waitFor(pattern, ms) {
        return this.received.waitFor((text) => text.match(pattern), `waiting for ${pattern}`, ms);
    }

    /* Resolves with all that came when the server has closed the connection. */
    async waitForClose(ms) {
        await withDeadline(this.closed, 'waiting for the server to close', ms);
        return this.received.text;
    }

    destroy() {
        this.socket.destroy();
    }
}

/* Sends bytes and resolves with what came back: until the server closes, or until the pattern
 * matches. */
async function raw(port, bytes, { until, ms } = {}) {
    const connection = new RawConnection(port);
    try {
        connection.write(bytes);
        if (!until) return await connection.waitForClose(ms);
        await connection.waitFor(until, ms);
        return connection.received.text;
    } finally {
        connection.destroy();
    }
}

/* ---- The end of a test file ---------------------------------------------------------------- */

after(async () => {
    for (const server of servers) await server.stop();
});

process.on('exit', (code) => {
    for (const server of servers) {
        server.signal('SIGKILL');
        if (code !== 0) printLog(server);
        if (server.keepData) {
            console.error(`kept: ${server.dataDir}`);
        } else {
            fs.rmSync(server.directory, { recursive: true, force: true });
        }
    }
});
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(1));

function printLog(server) {
    const lines = server.stderr.trimEnd().split('\n');
    const shown = lines.slice(-LOG_LINES_SHOWN);
    fs.writeSync(2, [`--- ${server.url}, last ${shown.length} of ${lines.length} log lines:`,
        ...shown, '---', ''].join('\n'));
}

module.exports = {
    startServer, runToEnd, login, collection, request, queryString, raw, RawConnection,
    withDeadline, DEADLINE_MS, PATIENCE, BINARY, ROOT,
};
