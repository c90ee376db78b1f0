/* Logging in with a code by mail: docs/login.md, "A code by mail". The mail server is a real one. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { makeCertificate } = require('./lib/certificate.js');
const { startMailbox, startOddServer } = require('./lib/mailbox.js');
const { startServer, collection, runToEnd } = require('./lib/server.js');

const SITE = 'https://app.example';
const ANN = 'ann@example.org';
const PUBLIC = 'https://sync.example/base';

let directory;
let mailbox;
let ca;
let certificate;
before(async () => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-mail-'));
    ({ ca, ...certificate } = makeCertificate(directory));
    mailbox = await startMailbox();
});
after(async () => {
    await mailbox.close();
    fs.rmSync(directory, { recursive: true, force: true });
});

const startWith = (url, more = '') => startServer({ conf: `dev_login off
    mail_server ${url}
    mail_from login@sync.example
    ${/^\s*mail_codes_per_user/m.test(more) ? '' : 'mail_codes_per_user 0'}
    ${more}` });

const form = (fields) => ({
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
});
const json = (fields) => ({
    headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(fields) });

const ask = (server, email = ANN, audience = SITE, coding = json, headers = {}) => {
    const options = coding({ email, audience });
    return server.request('POST', '/verify/email',
        { ...options, headers: { ...options.headers, ...headers } });
};

const verify = async (server, id, code, audience = SITE) => {
    const { status, json: answer } = await server.request('POST', '/verify',
        form({ assertion: `mail:${id}:${code}`, audience }));
    assert.equal(status, 200);
    return answer;
};

const codeIn = ({ text }) => text.match(/^ {4}(\d{8})\r?$/m)[1];
const linkIn = ({ text }) => text.match(/^https:\/\/sync\.example\/base(\/verify\/email\?link=\S+)\r?$/m)[1];
const other = (code) => code.replace(/.$/, (digit) => (Number(digit) + 1) % 10);

/* A code and what is needed to use it. */
async function getCode(server, email = ANN, audience = SITE, from = mailbox) {
    const { status, json: answer } = await ask(server, email, audience);
    assert.equal(status, 202, JSON.stringify(answer));
    const mail = await from.next();
    return { id: answer.id, code: codeIn(mail), mail };
}

async function withServer(more, action) {
    const server = await startWith(mailbox.url, more);
    await action(server);
    await server.stop();
}

/* ---- The way it goes ----------------------------------------------------------------------- */

test('a code by mail lets in', () => withServer('', async (server) => {
    const before = Date.now();
    const { status, json: answer } = await ask(server, 'Ann@Example.ORG');
    assert.equal(status, 202);
    assert.deepEqual(Object.keys(answer), ['id', 'expires_in', 'expires']);
    assert.ok(answer.expires_in >= 595 && answer.expires_in <= 600);
    assert.ok(answer.expires > before + 595_000 && answer.expires < Date.now() + 601_000);
    const mail = await mailbox.next();
    assert.deepEqual([mail.from, mail.to], ['login@sync.example', ['Ann@example.org']]);
    assert.match(mail.text, /^To: <Ann@example\.org>\r$/m);
    assert.match(mail.text, /^ {4}https:\/\/app\.example\r$/m);
    assert.ok(!mail.text.includes('link='), 'without public_url there is no link');
    const login = await verify(server, answer.id, codeIn(mail));
    assert.deepEqual([login.status, login.email, login.audience, login.issuer],
        ['okay', 'Ann@example.org', SITE, 'mail']);
    const notes = collection(server, { email: 'Ann@example.org', token: login.auth.query.auth });
    assert.equal((await notes.post({ since: 0 }, [{ id: 1 }])).status, 200);
    assert.match(server.stderr, /code for Ann@example\.org at https:\/\/app\.example mailed/);
    assert.match(server.stderr, /login: Ann@example\.org .*vouched for by mail/);
    assert.ok(!server.stderr.includes(codeIn(mail)), 'the log never has a code');
    assert.ok(!server.stderr.includes(answer.id));
}));

test('a form does as well as JSON', () => withServer('', async (server) => {
    const { status, json: answer } = await ask(server, ANN, SITE, form);
    assert.equal(status, 202);
    assert.equal((await verify(server, answer.id, codeIn(await mailbox.next()))).status, 'okay');
}));

test('a page of the site itself may ask', () => withServer('', async (server) => {
    const { status, headers } = await ask(server, ANN, SITE, json, { Origin: SITE });
    assert.equal(status, 202);
    assert.equal(headers['access-control-allow-origin'], SITE);
    await mailbox.next();
}));

test('the code goes through the servers that have the same keys', async () => {
    const keys = `token_secret_file ${path.join(directory, 'keys')}`;
    const first = await startWith(mailbox.url, keys);
    const second = await startWith(mailbox.url, keys);
    const { id, code } = await getCode(first);
    assert.equal((await verify(second, id, code)).status, 'okay');
    const { id: later, code: laterCode } = await getCode(second);
    await second.restart();
    assert.equal((await verify(second, later, laterCode)).status, 'okay');
    await first.stop();
    await second.stop();
});

test('several servers on one directory take a code once, all together', async () => {
    const dataDir = path.join(directory, 'shared');
    const start = (number) => startServer({ dataDir, args: ['-n', String(number)], conf: `dev_login off
        mail_server ${mailbox.url}
        mail_from login@sync.example
        mail_codes_per_user 0
        token_secret_file ${path.join(directory, 'shared-keys')}` });
    const [first, second] = [await start(1), await start(2)];
    const one = await getCode(first);
    assert.equal((await verify(second, one.id, one.code)).status, 'okay');
    for (const server of [first, second]) await refuse(server, one.id, one.code, /used/);
    const many = await getCode(second);
    const answers = await Promise.all([first, second, first, second, first, second]
        .map((server) => verify(server, many.id, many.code)));
    assert.equal(answers.filter(({ status }) => status === 'okay').length, 1);
    await first.stop();
    await second.stop();
});

test('sites that are not served get no codes', () => withServer(
    'allow_audience https://notes.example', async (server) => {
        const { status, json: answer } = await ask(server);
        assert.deepEqual([status, answer.error], [403, 'forbidden']);
        const { id, code } = await getCode(server, ANN, 'https://notes.example');
        assert.equal((await verify(server, id, code, 'https://notes.example')).status, 'okay');
    }));

test('without a file for the keys a code ends with the process', () => withServer('', async (server) => {
    const { id, code } = await getCode(server);
    await server.restart();
    assert.match((await verify(server, id, code)).reason, /ask for a new code/);
}));

/* ---- What is refused ----------------------------------------------------------------------- */

const refuse = async (server, id, code, reason, audience) => {
    const answer = await verify(server, id, code, audience);
    assert.deepEqual(Object.keys(answer), ['status', 'reason']);
    assert.equal(answer.status, 'failure');
    assert.match(answer.reason, reason);
};

test('a code is good once', () => withServer('', async (server) => {
    const { id, code } = await getCode(server);
    assert.equal((await verify(server, id, code)).status, 'okay');
    for (let i = 0; i < 3; i++) await refuse(server, id, code, /used/);
}));

test('of requests at the same time one gets in', () => withServer('', async (server) => {
    const { id, code } = await getCode(server);
    const answers = await Promise.all(Array.from({ length: 8 }, () => verify(server, id, code)));
    assert.equal(answers.filter(({ status }) => status === 'okay').length, 1);
}));

test('five guesses, and no more', () => withServer('', async (server) => {
    const { id, code } = await getCode(server);
    for (let i = 0; i < 4; i++) await refuse(server, id, other(code), /wrong/);
    assert.equal((await verify(server, id, code)).status, 'okay', 'the fifth');
    const { id: second, code: secondCode } = await getCode(server);
    for (let i = 0; i < 5; i++) await refuse(server, second, other(secondCode), /wrong/);
    await refuse(server, second, secondCode, /guessed too often/);
    const { id: third, code: thirdCode } = await getCode(server);
    assert.equal((await verify(server, third, thirdCode)).status, 'okay', 'another code is another');
}));

test('a code is good for its site, its address and its id', () => withServer('', async (server) => {
    const ann = await getCode(server);
    const bob = await getCode(server, 'bob@example.org');
    await refuse(server, ann.id, ann.code, /another site/, 'https://evil.example');
    await refuse(server, ann.id, ann.code, /another site/, 'http://app.example');
    await refuse(server, ann.id, ann.code, /another site/, 'https://app.example:444');
    await refuse(server, ann.id, ann.code, /origin/, 'https://app.example/x');
    await refuse(server, bob.id, ann.code, /wrong/);
    await refuse(server, ann.id, bob.code, /wrong/);
    assert.equal((await verify(server, ann.id, ann.code)).email, ANN);
    assert.equal((await verify(server, bob.id, bob.code)).email, 'bob@example.org');
}));

test('an id that was tampered with is none', () => withServer('', async (server) => {
    const { id, code } = await getCode(server);
    const [kid, payload, mac] = id.split('.');
    const content = Buffer.from(payload, 'base64url').toString();
    const changed = (from, to) => Buffer.from(content.replace(from, to)).toString('base64url');
    assert.match(content, /^\d+ ann@example\.org https:\/\/app\.example /);
    for (const odd of [changed('ann@', 'bob@'), changed('app.example', 'evil.example'), changed(/^\d/, '9')]) {
        await refuse(server, `${kid}.${odd}.${mac}`, code, /no login by mail/);
    }
    for (const odd of ['', 'x', kid, `${kid}.${payload}`, `${kid}.${payload}.`, `${kid}.${payload}.${mac}.`,
        `other.${payload}.${mac}`, `${id}=`, ` ${id}`, `${kid}..${mac}`, 'a'.repeat(2000)]) {
        await refuse(server, odd, code, /ask for a new code/);
    }
    for (const odd of ['', code.slice(1), `${code}0`, `${code} `, '1234 567', 'abcdefgh']) {
        await refuse(server, id, odd, /eight digits/);
    }
    assert.equal((await verify(server, id, code)).status, 'okay');
}));

test('a code ends with its time', () => withServer('mail_code_lifetime 1s', async (server) => {
    const { id } = await getCode(server);
    let answer;
    do answer = await verify(server, id, 'x'); while (/eight digits/.test(answer.reason));
    assert.match(answer.reason, /expired/);
}));

const asking = [
    ['no email', { audience: SITE }, 400, /missing email/],
    ['no audience', { email: ANN }, 400, /missing audience/],
    ['an email that is none', { email: 'ann', audience: SITE }, 400, /e-mail address/],
    ['two addresses', { email: 'ann@example.org,eve@example.org', audience: SITE }, 400, /e-mail address/],
    ['a line break', { email: 'ann@example.org\r\nBcc: eve@example.org', audience: SITE }, 400, /e-mail address/],
    ['a line feed', { email: 'ann@example.org\n', audience: SITE }, 400, /e-mail address/],
    ['an address in brackets', { email: '<ann@example.org>', audience: SITE }, 400, /e-mail address/],
    ['a name', { email: 'Ann <ann@example.org>', audience: SITE }, 400, /e-mail address/],
    ['a route', { email: '@evil.example:ann@example.org', audience: SITE }, 400, /e-mail address/],
    ['NUL', { email: 'ann@example.org\0', audience: SITE }, 400, /e-mail address|percent/],
    ['an address in quotes', { email: '"a b"@example.org', audience: SITE }, 400, /e-mail address/],
    ['a very long address', { email: `${'a'.repeat(300)}@example.org`, audience: SITE }, 400, /e-mail address/],
    ['an audience with a path', { email: ANN, audience: `${SITE}/x` }, 400, /audience/],
    ['an audience with a line break', { email: ANN, audience: `${SITE}\r\nBcc: x@y.z` }, 400, /audience/],
    ['far too much', { email: ANN, audience: SITE, more: 'x'.repeat(5000) }, 413, /at most/],
];
for (const [name, fields, expected, message] of asking) {
    test(`asking with ${name} is refused`, () => withServer('', async (server) => {
        for (const coding of [form, json]) {
            const { status, json: answer } = await server.request('POST', '/verify/email', coding(fields));
            assert.equal(status, expected, JSON.stringify(answer));
            assert.match(answer.message, message);
        }
        const again = await ask(server); /* and nothing of it has gone out */
        assert.equal(again.status, 202);
        assert.deepEqual((await mailbox.next()).to, [ANN]);
    }));
}

test('a field twice is refused', () => withServer('', async (server) => {
    const body = `email=${ANN}&audience=${encodeURIComponent(SITE)}&email=eve@example.org`;
    const asForm = await server.request('POST', '/verify/email', { ...form({}), body });
    assert.equal(asForm.status, 400);
    assert.match(asForm.json.message, /email is given twice/);
    const asJson = await server.request('POST', '/verify/email', { ...json({}),
        body: `{"email":"${ANN}","audience":"${SITE}","email":"eve@example.org"}` });
    assert.equal(asJson.status, 400);
    assert.match(asJson.json.message, /email is given twice/);
}));

test('a page of another site may not ask', () => withServer('allow_origin https://www.app.example',
    async (server) => {
        for (const origin of ['https://evil.example', 'http://app.example', 'null', 'https://app.example:444']) {
            const { status, json: answer } = await ask(server, ANN, SITE, json, { Origin: origin });
            assert.deepEqual([status, answer.error], [403, 'forbidden'], origin);
        }
        assert.equal((await ask(server, ANN, SITE, json, { Origin: 'https://www.app.example' })).status, 202);
        await mailbox.next();
    }));

test('where it is off it is not there', async () => {
    const server = await startServer();
    const { status, json: answer } = await ask(server);
    assert.deepEqual([status, answer.error], [404, 'not_found']);
    assert.match((await verify(server, 'x', '12345678')).reason, /login by mail is off/);
    await server.stop();
});

/* ---- Limits -------------------------------------------------------------------------------- */

test('three codes an address and client, however it is spelled', () => withServer('mail_codes_per_user 3',
    async (server) => {
        for (const email of ['ann@example.org', 'ANN@example.org', 'a.n.n+x@Example.org']) {
            assert.equal((await ask(server, email)).status, 202);
            await mailbox.next();
        }
        for (const email of ['ann@example.org', 'Ann+1@example.org', 'a.nn@EXAMPLE.org']) {
            const { status, json: answer, headers } = await ask(server, email);
            assert.deepEqual([status, answer.error], [429, 'too_often']);
            const wait = Number(headers['retry-after']);
            assert.ok(wait > 1190 && wait <= 1200, headers['retry-after']);
        }
        assert.equal((await ask(server, 'bob@example.org')).status, 202);
        await mailbox.next();
    }));

test('a client may not ask for everybody', () => withServer('mail_codes_per_address 4', async (server) => {
    for (let i = 0; i < 4; i++) {
        assert.equal((await ask(server, `user${i}@example.org`)).status, 202);
        await mailbox.next();
    }
    const { status, headers } = await ask(server, 'another@example.org');
    assert.equal(status, 429);
    assert.ok(Number(headers['retry-after']) > 800);
}));

test('behind a proxy of ours each client is its own', () => withServer(
    'trusted_proxies 127.0.0.1\nmail_codes_per_address 2', async (server) => {
        const from = (address, i) => ask(server, `user${i}@example.org`, SITE, json,
            address ? { 'X-Forwarded-For': `203.0.113.${i}, ${address}` } : {});
        const statuses = [];
        for (let i = 0; i < 3; i++) statuses.push((await from('192.0.2.1', i)).status);
        for (let i = 3; i < 6; i++) statuses.push((await from('192.0.2.2', i)).status);
        for (let i = 6; i < 9; i++) statuses.push((await from(`2001:db8:1:2::${i}`, i)).status);
        assert.deepEqual(statuses, [202, 202, 429, 202, 202, 429, 202, 202, 429]);
        /* one that does not say who it asks for is not held against all */
        for (let i = 9; i < 12; i++) assert.equal((await from(null, i)).status, 202);
        for (let i = 0; i < 9; i++) await mailbox.next();
        assert.match(server.stderr, /code for user0@example\.org .*asked for from 192\.0\.2\.1$/m);
    }));

/* ---- Mail servers -------------------------------------------------------------------------- */

const ids = ({ id, ...rest }) => [typeof id, Object.keys(rest)];

test('a mailbox that is not there is answered as one that is', async () => {
    const picky = await startMailbox({
        onRcptTo: ({ address }, session, done) =>
            done(address.startsWith('nobody') ? new Error('no such user') : undefined),
    });
    const server = await startWith(picky.url);
    const [good, bad] = [await ask(server), await ask(server, 'nobody@example.org')];
    assert.deepEqual([bad.status, ids(bad.json)], [good.status, ids(good.json)]);
    assert.equal(good.status, 202);
    assert.equal(picky.mails.length, 1);
    await refuse(server, bad.json.id, '12345678', /wrong/);
    assert.match(server.stderr, /code for nobody@example\.org .*refuses it with status 550/);
    await server.stop();
    await picky.close();
});

for (const command of ['RCPT', 'DATA', 'TEXT']) {
    test(`a refusal after ${command} tells nothing either`, async () => {
        const odd = await startOddServer({ [command]: '451-not\r\n451 now\r\n' });
        const server = await startWith(odd.url);
        assert.equal((await ask(server)).status, 202);
        assert.match(server.stderr, /refuses it with status 451/);
        await server.stop();
        await odd.close();
    });
}

test('a server that does not answer QUIT keeps nobody waiting', async () => {
    const odd = await startOddServer({ QUIT: () => {} });
    const server = await startWith(odd.url, 'mail_timeout 60s');
    assert.equal((await ask(server)).status, 202);
    await server.stop();
    await odd.close();
});

test('what a mail server is told', async () => {
    const odd = await startOddServer();
    const server = await startWith(odd.url);
    assert.equal((await ask(server, 'Ann@Example.org')).status, 202);
    assert.deepEqual(odd.lines.slice(0, 5), ['EHLO sync.example', 'MAIL FROM:<login@sync.example>',
        'RCPT TO:<Ann@example.org>', 'DATA', '.']);
    await server.stop();
    await odd.close();
});

test('mails are counted', async () => {
    const odd = await startOddServer({ RCPT: (socket) => socket.write(answers.shift()) });
    const answers = ['250 ok\r\n', '550 no\r\n', 'what\r\n'];
    const server = await startWith(odd.url);
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await ask(server)).status);
    assert.deepEqual(statuses, [202, 202, 503]);
    const { text } = await server.admin('/metrics');
    for (const what of ['sent', 'refused', 'failed']) assert.match(text, new RegExp(`^cutout_mails_${what}_total 1$`, 'm'));
    await server.stop();
    await odd.close();
});

const never = () => {};
const drip = (socket) => {
    const timer = setInterval(() => socket.write('2'), 20).unref();
    socket.on('close', () => clearInterval(timer));
};
const flood = (socket) => {
    const more = () => { while (socket.write('250-more of it\r\n'.repeat(4096))) { /* until it is full */ } };
    socket.on('drain', more);
    more();
};
const hangUp = (socket) => socket.destroy();

/* None of these holds up another request, and each ends within the time. */
const hostile = {
    'says nothing': { HELLO: never },
    'stops after its greeting': { EHLO: never },
    'stops before the sender': { MAIL: never },
    'stops before the recipient': { RCPT: never },
    'stops before the text': { DATA: never },
    'stops after the text': { TEXT: never },
    'hangs up at once': { HELLO: hangUp },
    'hangs up in the middle': { RCPT: hangUp },
    'hangs up after the text': { TEXT: hangUp },
    'speaks drop by drop': { RCPT: drip },
    'never stops speaking': { RCPT: flood },
    'never stops greeting': { HELLO: flood },
    'speaks another language': { MAIL: 'HTTP/1.1 200 OK\r\n\r\n' },
    'is closed': { HELLO: '554 closed\r\n' },
    'wants us to log in': { MAIL: '530 authentication required\r\n' },
};
for (const [name, changes] of Object.entries(hostile)) {
    test(`a mail server that ${name} holds up nobody`, async () => {
        const odd = await startOddServer(changes);
        const server = await startWith(odd.url, 'mail_timeout 400ms');
        const waiting = ask(server);
        for (let i = 0; i < 20; i++) assert.equal((await server.request('GET', '/info')).status, 200);
        const { status, json: said, headers } = await waiting;
        assert.deepEqual([status, said.error], [503, 'busy'], said.message);
        assert.match(said.message, /the mail cannot be sent now: 127\.0\.0\.1/);
        assert.ok(Number(headers['retry-after']) > 0);
        await server.stop();
        await odd.close();
    });
}

/* Each line is let go by hand; libcurl's own SMTP would wait in the loop for the last. */
const thinks = { HELLO: '220 hello\r\n', EHLO: '250 here\r\n', MAIL: '250 ok\r\n', RCPT: '250 ok\r\n',
    DATA: '354 go on\r\n', TEXT: '250 taken\r\n' };
for (const [command, answer] of Object.entries(thinks)) {
    test(`while a mail server thinks about ${command}, others are answered`, async () => {
        let reached;
        const there = new Promise((resolve) => { reached = resolve; });
        const odd = await startOddServer({ [command]: reached });
        const server = await startWith(odd.url, 'mail_timeout 60s');
        const asked = ask(server);
        const socket = await there;
        for (let i = 0; i < 20; i++) assert.equal((await server.request('GET', '/info')).status, 200);
        socket.write(answer);
        assert.equal((await asked).status, 202);
        await server.stop();
        await odd.close();
    });
}

test('a mail server that is not there', async () => {
    const probe = net.createServer();
    await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
    const { port } = probe.address();
    await new Promise((resolve) => probe.close(resolve));
    const server = await startWith(`smtp://127.0.0.1:${port}`);
    assert.equal((await ask(server)).status, 503);
    await server.stop();
});

test('a name that cannot be found', async () => {
    const server = await startWith('smtps://nowhere.invalid', 'mail_timeout 2s');
    const { status, json: said } = await ask(server);
    assert.equal(status, 503);
    assert.match(said.message, /nowhere\.invalid/);
    await server.stop();
});

test('too many at once are told to come again', async () => {
    const odd = await startOddServer({ HELLO: never });
    const server = await startWith(odd.url, 'mail_timeout 700ms\nmax_mails 2');
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(server)));
    for (const { status } of answers) assert.equal(status, 503);
    assert.equal(answers.filter(({ text }) => /2 mails are under way/.test(text)).length, 3);
    await server.stop();
    await odd.close();
});

test('many at a time and one after the other', () => withServer('max_mails 8', async (server) => {
    for (let round = 0; round < 3; round++) {
        const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => ask(server, `u${i}@example.org`)));
        for (const { status } of answers) assert.equal(status, 202);
        for (let i = 0; i < 8; i++) await mailbox.next();
    }
}));

/* A figure, and no more: machines differ. */
test('others while sixteen mails hang', async (t) => {
    const odd = await startOddServer({ RCPT: never });
    const server = await startWith(odd.url, 'mail_timeout 60s\ndrain_timeout 100ms');
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const measure = async () => {
        const took = [];
        for (let i = 0; i < 300; i++) {
            const begin = performance.now();
            assert.equal((await server.request('GET', '/info', { agent })).status, 200);
            took.push(performance.now() - begin);
        }
        return took.sort((a, b) => a - b)[296].toFixed(2);
    };
    await measure(); /* warms up */
    const alone = await measure();
    for (let i = 0; i < 16; i++) ask(server, `user${i}@example.org`).catch(() => {});
    while (odd.said.filter((command) => command === 'RCPT').length < 16) {
        await new Promise((resolve) => setImmediate(resolve));
    }
    t.diagnostic(`GET /info, p99: ${alone} ms alone, ${await measure()} ms beside 16 mails that hang`);
    agent.destroy();
    await server.stop();
    await odd.close();
});

test('a client that goes away does no harm, and its mail goes out', async () => {
    let reached;
    const there = new Promise((resolve) => { reached = resolve; });
    const odd = await startOddServer({ RCPT: reached });
    const server = await startWith(odd.url, 'mail_timeout 60s');
    const { headers, body } = json({ email: ANN, audience: SITE });
    const client = net.connect(server.port, '127.0.0.1');
    client.write(`POST /verify/email HTTP/1.1\r\nHost: x\r\nContent-Type: ${headers['Content-Type']}\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`);
    const socket = await there;
    client.destroy();
    assert.equal((await server.request('GET', '/info')).status, 200);
    socket.write('250 ok\r\n');
    await server.waitForLog(/code for ann@example\.org .*mailed/);
    assert.ok(odd.said.includes('TEXT'));
    await server.stop();
    await odd.close();
});

test('a server that stops does not wait for a mail server', async () => {
    const odd = await startOddServer({ TEXT: never });
    const server = await startWith(odd.url, 'mail_timeout 60s\ndrain_timeout 100ms');
    ask(server).catch(() => {});
    while (!odd.said.includes('TEXT')) await new Promise((resolve) => setImmediate(resolve));
    await server.stop();
    await odd.close();
});

/* ---- TLS and logging in at the mail server ------------------------------------------------- */

const STARTTLS = { disabledCommands: [] };
const login = (auth, session, done) => (auth.username === 'me@sync.example' && auth.password === 'a:b c'
    ? done(null, { user: auth.username }) : done(new Error('no')));

function passwordFile(text = 'me@sync.example:a:b c\n', mode = 0o600) {
    const file = path.join(directory, `password-${fs.readdirSync(directory).length}`);
    fs.writeFileSync(file, text, { mode });
    return file;
}

/* Each: options of the mail server, its address, the conf, and what comes of it. */
const secure = [
    ['TLS from the start', { secure: true }, 'localhost', () => `mail_ca_file ${ca}`, 202],
    ['STARTTLS', STARTTLS, '127.0.0.2', () => `mail_ca_file ${ca}`, 202],
    ['TLS and a certificate that nobody vouches for', { secure: true }, 'localhost', () => '', 503],
    ['STARTTLS and a certificate that nobody vouches for', STARTTLS, '127.0.0.2', () => '', 503],
    ['TLS and a certificate of another name', { secure: true }, '127.0.0.3', () => `mail_ca_file ${ca}`, 503],
    ['STARTTLS and a certificate of another name', STARTTLS, '127.0.0.3', () => `mail_ca_file ${ca}`, 503],
    ['no STARTTLS where it has to be', {}, '127.0.0.2', () => `mail_ca_file ${ca}`, 503],
];
for (const [name, options, host, more, expected] of secure) {
    test(`a mail server with ${name}`, async () => {
        const heard = [];
        const box = await startMailbox({ ...certificate, ...options, authOptional: false, onAuth: login,
            onMailFrom: (address, session, done) => { heard.push(address); done(); } },
        host === 'localhost' ? '127.0.0.1' : host);
        const url = box.url.replace('127.0.0.1', host);
        const server = await startWith(url, `${more()}\nmail_password_file ${passwordFile()}`);
        const { status, json: said } = await ask(server);
        assert.equal(status, expected, JSON.stringify(said));
        if (expected === 202) {
            const mail = await box.next();
            assert.deepEqual([mail.user, mail.secure], ['me@sync.example', true]);
        } else {
            assert.match(said.message, /certificate|peer|SSL/i);
            assert.equal(heard.length, 0);
        }
        assert.ok(!server.stderr.includes('a:b c'));
        await server.stop();
        await box.close();
    });
}

test('a wrong password', async () => {
    const box = await startMailbox({ authOptional: false, allowInsecureAuth: true, onAuth: login });
    const server = await startWith(box.url, `mail_password_file ${passwordFile('me@sync.example:wrong')}`);
    const { status, json: said } = await ask(server);
    assert.equal(status, 503);
    assert.match(said.message, /login denied/i);
    await server.stop();
    await box.close();
});

test('a password that others may read, or that is none, is refused at the start and at a reload', async () => {
    const bad = [[passwordFile('a:b', 0o644), /others may read/], [passwordFile('ab'), /USER:PASSWORD/],
        [passwordFile(':b'), /USER:PASSWORD/], [passwordFile('a:'), /USER:PASSWORD/],
        [passwordFile('a:b\nc:d\n'), /USER:PASSWORD/], [passwordFile(''), /USER:PASSWORD/],
        [path.join(directory, 'nowhere'), /No such file/]];
    for (const [file, message] of bad) {
        const end = await runToEnd([], { conf: `listen 127.0.0.1:0\nadmin_listen ""\ndata_dir ${directory}/data
mail_server ${mailbox.url}\nmail_from a@b.c\nmail_password_file ${file}\n` });
        assert.equal(end.code, 1);
        assert.match(end.stderr, message);
    }
    const server = await startServer({ conf: `dev_login off\nmail_server ${mailbox.url}\nmail_from a@b.c\n`,
        expectErrors: [/reload: nothing was changed/] });
    fs.appendFileSync(server.confFile, `mail_password_file ${bad[0][0]}\n`);
    server.signal('SIGHUP');
    await server.waitForLog(/nothing was changed: mail_password_file: .*others may read/);
    assert.equal((await ask(server)).status, 202);
    await mailbox.next();
    await server.stop();
});

test('a reload changes the mail server', () => withServer('', async (server) => {
    const box = await startMailbox();
    fs.writeFileSync(server.confFile, server.conf.replace(/^mail_server.*/m, `mail_server ${box.url}`)
        .replace('login@sync.example', 'new@sync.example'));
    server.signal('SIGHUP');
    await server.waitForLog(/reload: done/);
    await getCode(server, ANN, SITE, box);
    assert.equal(box.mails[0].from, 'new@sync.example');
    await box.close();
}));

test('wrong confs are named', async () => {
    const all = 'listen 127.0.0.1:0\nmail_from login@sync.example\n';
    for (const url of ['http://x', 'smtp://', 'smtp:x', 'x.example', 'smtp://user@x.example', 'smtp://x.example/y',
        'smtps://x.example:0', 'smtp://x.example:99999', 'smtp://X.example', 'smtp://x.example?y']) {
        const end = await runToEnd(['-t'], { conf: `${all}mail_server ${url}\n` });
        assert.equal(end.code, 1, url);
        assert.match(end.stderr, /cutout\.conf:3: mail_server: .*is not smtp:\/\/HOST/);
    }
    for (const [lines, message] of [
        ['mail_from ann', /mail_from: "ann" is no e-mail address/],
        ['mail_from "Notes <a@b.c>"', /mail_from: .*is no e-mail address/],
        ['mail_server smtp://localhost', /mail_server: say in mail_from/],
        ['mail_server smtp://localhost\nmail_from a@b.c\ndev_login on', /dev_login: not together with mail_server/],
    ]) {
        const end = await runToEnd(['-t'], { conf: `listen 127.0.0.1:0\n${lines}\n` });
        assert.equal(end.code, 1, lines);
        assert.match(end.stderr, message);
    }
});

/* ---- The page ------------------------------------------------------------------------------ */

const withPage = (action) => withServer(`public_url ${PUBLIC}`, async (server) => {
    const { id, code, mail } = await getCode(server, "o'ann&co@example.org");
    await action(server, { id, code, link: linkIn(mail) });
});
const press = (server, link, body = 'show=code', type = 'application/x-www-form-urlencoded') =>
    server.request('POST', link, { body, headers: { 'Content-Type': type, Origin: 'null' } });

function assertPage({ status, headers, text }, expected) {
    assert.equal(status, expected);
    assert.equal(headers['content-type'], 'text/html; charset=utf-8');
    assert.equal(headers['cache-control'], 'private, no-store');
    assert.equal(headers['referrer-policy'], 'no-referrer');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.match(headers['content-security-policy'], /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/);
    assert.doesNotMatch(text, /<script|<link|<img|https?:\/\/(?!app\.example)|javascript:| on\w+=/i);
}

test('the link leads to a button, and the button to the code', () => withPage(async (server, { id, code, link }) => {
    const page = await server.request('GET', link);
    assertPage(page, 200);
    assert.match(page.text, /<form method="post">\s*<button name="show" value="code">/);
    assert.match(page.text, /log in at <span class="site">https:\/\/app\.example<\/span>/);
    assert.match(page.text, /o'ann&amp;co@example\.org/);
    const pressed = await press(server, link);
    assertPage(pressed, 200);
    assert.ok(pressed.text.includes(`<span>${code.slice(0, 4)}</span><span>${code.slice(4)}</span>`));
    assert.match(pressed.text, /https:\/\/app\.example/);
    assert.match(pressed.text, /for 10 more minutes/);
    assert.equal((await verify(server, id, code)).status, 'okay');
}));

test('what opens links for safety sees no code and uses none up', () => withPage(async (server, { id, code, link }) => {
    const looks = ['GET', 'HEAD', 'GET'].map((method) => () => server.request(method, link));
    const posts = [['', 'text/plain'], ['{}', 'application/json'], ['{"show":"code"}', 'application/json'],
        ['show=', undefined], ['show=code&x=1', undefined], ['link=x', undefined], ['SHOW=CODE', undefined]]
        .map(([body, type]) => () => press(server, link, body, type));
    for (const look of [...looks, ...posts, ...looks]) {
        const { status, text } = await look();
        assert.equal(status, 200);
        assert.ok(!text.includes(code.slice(0, 4)) || !text.includes(code.slice(4)));
    }
    for (let i = 0; i < 20; i++) await press(server, link);
    assert.equal((await verify(server, id, code)).status, 'okay');
}));

test('a link that is none shows nothing of itself', () => withPage(async (server, { id, link }) => {
    const odd = ['/verify/email', '/verify/email?', '/verify/email?link=', '/verify/email?link=x.y.z',
        `/verify/email?link=${id}`, link.slice(0, -1), `${link}A`, `/verify/email?Link=${link.split('=')[1]}`,
        '/verify/email?link=%3Cscript%3Ealert(1)%3C/script%3E', `/verify/email?link=${'a'.repeat(3000)}`];
    const pages = new Set();
    for (const path of odd) {
        const page = await server.request('GET', path);
        assertPage(page, 404);
        pages.add(page.text);
        if (path.includes('link=')) assertPage(await press(server, path), 404);
    }
    assert.equal(pages.size, 1);
    assert.match([...pages][0], /no longer good/);
    const more = await server.request('GET', `${link}&utm_source=mail`);
    assertPage(more, 200);
    assert.ok(!more.text.includes('utm'));
}));

test('a link ends with its code', () => withServer(`public_url ${PUBLIC}\nmail_code_lifetime 1s`, async (server) => {
    const link = linkIn((await getCode(server)).mail);
    let page;
    do page = await server.request('GET', link); while (page.status === 200);
    assertPage(page, 404);
    assertPage(await press(server, link), 404);
}));

test('the log has no link', () => withPage(async (server, { link }) => {
    await server.request('GET', link);
    await press(server, link);
    await server.waitForLog(/POST \/verify\/email\?link=\* 200/);
    assert.ok(!server.stderr.includes(link.split('.')[1]));
}));
