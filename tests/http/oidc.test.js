/* Logging in with ID tokens made by npm's jose: what is taken, what is refused, and what an issuer
 * can do to us. */
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const http = require('node:http');
const { before, after, test } = require('node:test');
const { startServer, collection, runToEnd } = require('./lib/server.js');
const { verify: verifyAt, listen } = require('./lib/verifier.js');
const { METADATA, jose, makeKey, startIssuer } = require('./lib/issuer.js');

const APP = 'https://app.example';
const OTHER_APP = 'https://other.example';
const NOW = () => Math.floor(Date.now() / 1000);

let keys;
let issuer;
let server;

const confOf = (which, more = '') => `dev_login off
    oidc_issuer ${which.url} client-1=${APP} client-2=${OTHER_APP} client=a=b=${APP} email
    ${more}\n`;

before(async () => {
    keys = { rsa: await makeKey('rsa'), ec: await makeKey('ec', 'ES256'), rsa2: await makeKey('rsa2'),
        stranger: await makeKey('rsa') };
    issuer = await startIssuer([keys.rsa, keys.ec, keys.rsa2]);
    server = await startServer({ conf: confOf(issuer) });
});

after(async () => {
    await server.stop();
    issuer.stop();
});

const verify = (assertion, audience = APP, at = server) => verifyAt(at, assertion, audience);

async function logsIn(assertion, audience, at) {
    const answer = await verify(assertion, audience, at);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.status, 'okay', answer.text);
    return answer.json;
}

async function isRefused(assertion, reason, audience, at) {
    const { status, json: answer, text } = await verify(assertion, audience, at);
    assert.equal(status, 200, text);
    assert.deepEqual(Object.keys(answer), ['status', 'reason'], text);
    assert.equal(answer.status, 'failure');
    assert.match(answer.reason, reason);
}

const nameOf = (subject, url = issuer.url) => `${subject}@${new URL(url).hostname}.${
    crypto.createHash('sha256').update(url).digest('hex').slice(0, 32)}.oidc-url.invalid`;

/* ---- What is taken --------------------------------------------------------------------------- */

test('an ID token gives a token that lets in', async () => {
    const verified = { email: 'Ann@Example.org', email_verified: true };
    const answer = await logsIn(await issuer.sign(verified));
    assert.deepEqual([answer.email, answer.audience, answer.issuer],
        ['Ann@example.org', APP, issuer.url]);
    const notes = collection(server, { email: 'Ann@example.org', token: answer.auth.query.auth });
    assert.equal((await notes.post({ since: 0 }, [{ id: 1 }])).status, 200);
    const elsewhere = collection(server, { email: 'Ann@example.org', domain: 'other.example',
        token: answer.auth.query.auth });
    assert.equal((await elsewhere.get()).status, 401);
    assert.match(server.stderr, /login: Ann@example\.org .*vouched for by http:/);
    assert.doesNotMatch(server.stderr, /eyJ/);
});

const taken = {
    'ES256': [{}, {}, () => keys.ec],
    'the type JWT': [{}, { typ: 'JWT' }],
    'the type jwt': [{}, { typ: 'jwt' }],
    'a list of one audience': [{ aud: ['client-1'] }],
    'two audiences and an authorised party': [{ aud: ['x', 'client-1'], azp: 'client-1' }],
    'an authorised party': [{ azp: 'client-1' }],
    'a client with "=" in its name': [{ aud: 'client=a=b' }],
    'a clock that is 50 s ahead': [() => ({ iat: NOW() + 50, nbf: NOW() + 50 })],
    'an end 50 s ago': [() => ({ exp: NOW() - 50 })],
    'nine minutes of age': [() => ({ iat: NOW() - 540 })],
    'fractions of seconds': [() => ({ iat: NOW() - 0.5, exp: NOW() + 60.25 })],
    'claims that mean nothing here': [{ picture: { a: [1, { b: null }] }, aud2: ['x'], auth_time: 1 }],
};
for (const [name, [claims, header, key]] of Object.entries(taken)) {
    test(`an ID token with ${name} is taken`, async () => {
        const all = { sub: `s${crypto.randomUUID()}`, ...typeof claims === 'function' ? claims() : claims };
        const answer = await logsIn(await issuer.sign(all, header, key?.()));
        assert.equal(answer.email, nameOf(all.sub));
    });
}

test('it logs in once, also when its signature is written another way', async () => {
    const assertion = await issuer.sign({}, {}, keys.ec);
    await logsIn(assertion);
    await isRefused(assertion, /used before/);
    /* (r, s) and (r, n - s) are both signatures of the same text */
    const [header, payload, signature] = assertion.split('.');
    const bytes = Buffer.from(signature, 'base64url');
    const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
    const other = (order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)).toString(16).padStart(64, '0');
    const again = Buffer.concat([bytes.subarray(0, 32), Buffer.from(other, 'hex')]).toString('base64url');
    await isRefused(`${header}.${payload}.${again}`, /used before/);
});

test('a nonce is compared if the app sends one', async () => {
    const form = async (nonce, claims) => (await server.request('POST', '/verify', {
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ assertion: await issuer.sign(claims), audience: APP, nonce }).toString(),
    })).json;
    assert.equal((await form('n1', { nonce: 'n1' })).status, 'okay');
    assert.equal((await form('', { nonce: 'n1' })).status, 'okay');
    assert.match((await form('n2', { nonce: 'n1' })).reason, /another nonce/);
    assert.match((await form('n1', {})).reason, /another nonce/);
});

/* ---- Who it is ------------------------------------------------------------------------------- */

const names = {
    'an address that is not verified': [{ email: 'eve@example.org', email_verified: false }, 'subject-1'],
    'an address of which nothing is said': [{ email: 'eve@example.org' }, 'subject-1'],
    'no address': [{ email_verified: true }, 'subject-1'],
    'a subject with odd bytes': [{ sub: 'auth0|a b/ü~@x' }, 'auth0~7Ca~20b~2F~C3~BC~7E~40x'],
    'a subject in capitals': [{ sub: 'SUBJECT-1' }, 'SUBJECT-1'],
    'a subject that looks escaped': [{ sub: 'auth0~7C' }, 'auth0~7E7C'],
};
for (const [name, [claims, subject]] of Object.entries(names)) {
    test(`${name}: the user is named by the subject`, async () => {
        assert.equal((await logsIn(await issuer.sign(claims))).email, nameOf(subject));
    });
}

test('an issuer that is not said to verify addresses gives nobody one (nOAuth)', async () => {
    const which = await startIssuer([keys.rsa], '/realms/One/');
    const strict = await startServer({
        conf: `dev_login off\noidc_issuer ${which.url} client-1=${APP}\n` });
    const answer = await logsIn(await which.sign({ email: 'ann@example.org', email_verified: true }), APP,
        strict);
    assert.equal(answer.email, nameOf('subject-1', which.url));
    const notes = collection(strict, { email: answer.email, token: answer.auth.query.auth });
    assert.equal((await notes.post({ since: 0 }, [{ id: 1 }])).status, 200);
    await strict.stop();
    which.stop();
});

const badUsers = {
    'NUL in the address': { email: 'ann@example.org\u0000.evil.example' },
    'a line break in the address': { email: 'ann@example.org\nbob@example.org' },
    'a line break at its end': { email: 'ann@example.org\n' },
    'an address without host': { email: 'ann@' },
    'an address without name': { email: '@example.org' },
    'a path for an address': { email: '../../ann@example.org/..' },
    'two addresses': { email: 'ann@example.org,bob@example.org' },
    'a list of addresses': { email: ['ann@example.org'] },
    'letters that only look like an address': { email: 'аnn@example.org' },
    'a name of another kind of user': { email: 'subject-1@accounts.google.com.oidc.invalid' },
    'the same in capitals': { email: 'subject-1@accounts.google.com.OIDC.INVALID' },
    'an address of 300 bytes': { email: `${'a'.repeat(288)}@example.org` },
    'a text for email_verified': { email: 'ann@example.org', email_verified: 'true' },
    'a number for email_verified': { email: 'ann@example.org', email_verified: 1 },
    'an empty subject': { sub: '' },
    'a subject of 256 bytes': { sub: 's'.repeat(256) },
    'a subject too long for a name here': { sub: 's'.repeat(230) },
    'a subject with NUL': { sub: 'a\u0000' },
    'a number as subject': { sub: 7 },
};
for (const [name, claims] of Object.entries(badUsers)) {
    test(`${name} is refused`, async () => {
        await isRefused(await issuer.sign({ email_verified: true, ...claims }), /ID token/);
    });
}

/* ---- What is refused ------------------------------------------------------------------------- */

const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
    .toString('base64url');
const usual = (more = {}) => ({ iss: issuer.url, sub: 'subject-1', aud: 'client-1', iat: NOW(),
    exp: NOW() + 300, jti: crypto.randomUUID(), ...more });

const badClaims = {
    'another issuer': [{ iss: 'https://accounts.google.com' }, /not known/],
    'the issuer with a slash': [() => ({ iss: `${issuer.url}/` }), /not known/],
    'the issuer in capitals': [() => ({ iss: issuer.url.toUpperCase() }), /not known/],
    'an issuer that begins like this one': [() => ({ iss: `${issuer.url}.evil.example` }), /not known/],
    'the word email as issuer': [{ iss: 'email' }, /not known/],
    'no issuer': [{ iss: undefined }, /lacks/],
    'an issuer in a list': [() => ({ iss: [issuer.url] }), /"iss" is wrong/],
    'another audience': [{ aud: 'client-9' }, /app other than/],
    'the origin as audience': [{ aud: APP }, /app other than/],
    'client and origin as audience': [{ aud: `client-1=${APP}` }, /app other than/],
    'the word email as audience': [{ aud: 'email' }, /app other than/],
    'the client of another app': [{ aud: 'client-2' }, /app other than/],
    'part of a client': [{ aud: 'client' }, /app other than/],
    'the client in capitals': [{ aud: 'CLIENT-1' }, /app other than/],
    'no audience': [{ aud: undefined }, /lacks/],
    'an empty list of audiences': [{ aud: [] }, /lacks/],
    'an empty audience': [{ aud: '' }, /app other than/],
    'two audiences and no authorised party': [{ aud: ['client-1', 'client-9'] }, /app other than/],
    'another authorised party': [{ aud: ['client-1', 'client-9'], azp: 'client-9' }, /app other than/],
    'an authorised party that is no audience': [{ aud: 'client-9', azp: 'client-1' }, /app other than/],
    'one audience, another authorised party': [{ azp: 'client-2' }, /app other than/],
    'a number among the audiences': [{ aud: ['client-1', 7] }, /"aud" is wrong/],
    'an object as audience': [{ aud: { a: 'client-1' } }, /"aud" is wrong/],
    'a list in the list of audiences': [{ aud: [['client-1']] }, /"aud" is wrong/],
    'many audiences': [{ aud: Array.from({ length: 9 }, (_, i) => `client-${i}`), azp: 'client-1' }, /"aud"/],
    'an end two minutes ago': [() => ({ exp: NOW() - 120 }), /expired/],
    'an end of 0': [{ exp: 0 }, /expired/],
    'a negative end': [{ exp: -1 }, /"exp" is wrong/],
    'no end': [{ exp: undefined }, /lacks/],
    'an end that is a text': [() => ({ exp: String(NOW() + 60) }), /"exp" is wrong/],
    'an end that is true': [{ exp: true }, /"exp" is wrong/],
    'an end that is null': [{ exp: null }, /"exp" is wrong/],
    'an end with an exponent': [{ exp: 1e300 }, /"exp" is wrong/],
    'a start in two minutes': [() => ({ nbf: NOW() + 120 }), /future/],
    'a start that is a text': [{ nbf: '1' }, /"nbf" is wrong/],
    'an issue in two minutes': [() => ({ iat: NOW() + 120 }), /future/],
    'an issue twelve minutes ago': [() => ({ iat: NOW() - 720, exp: NOW() + 9999 }), /too long ago/],
    'no time of issue': [{ iat: undefined }, /lacks/],
    'an issue in milliseconds': [() => ({ iat: Date.now() }), /future/],
    'no subject': [{ sub: undefined }, /lacks/],
};
for (const [name, [claims, reason]] of Object.entries(badClaims)) {
    test(`an ID token with ${name} is refused`, async () => {
        await isRefused(await issuer.sign(typeof claims === 'function' ? claims() : claims), reason);
    });
}

const twice = ['iss', 'sub', 'aud', 'exp', 'iat', 'email', 'email_verified', 'nonce', 'azp'];
for (const name of twice) {
    test(`an ID token with ${name} twice is refused`, async () => {
        const text = JSON.stringify(usual({ email: 'ann@example.org', email_verified: true, nonce: 'n',
            azp: 'client-1' }));
        const value = text.match(new RegExp(`"${name}":([^,}]*)`))[1];
        for (const again of [`"${name}"`, `"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}"`]) {
            await isRefused(await issuer.signText(text.replace('{', `{${again}:${value},`)),
                new RegExp(`"${name}" is wrong`));
        }
    });
}

const badHeaders = {
    'crit': [{ crit: ['exp'], exp: 1 }, /"crit" is wrong/],
    'b64': [{ b64: true }, /"b64" is wrong/],
    'jku': [{ jku: 'https://evil.example/keys' }, /"jku" is wrong/],
    'x5u': [{ x5u: 'https://evil.example/cert' }, /"x5u" is wrong/],
    'x5c': [{ x5c: ['MIIB'] }, /"x5c" is wrong/],
    'jwk': [() => ({ jwk: keys.stranger.public }), /"jwk" is wrong/],
    'the type of an access token': [{ typ: 'at+jwt' }, /something else/],
    'the type of a logout token': [{ typ: 'logout+jwt' }, /something else/],
    'a key that is not there': [{ kid: 'nobody' }, /not signed with a key/],
    'the key of another': [{ kid: 'rsa2' }, /not signed with a key/],
    'a key of another kind': [{ kid: 'ec' }, /not signed with a key/],
    'no key, where there are two': [{ kid: undefined }, /not signed with a key/],
    'an empty key': [{ kid: '' }, /empty key/],
    'a number as key': [{ kid: 1 }, /"kid" is wrong/],
    'a path as key': [{ kid: '../../../dev/null' }, /not signed with a key/],
};
for (const [name, [header, reason]] of Object.entries(badHeaders)) {
    test(`a header with ${name} is refused`, async () => {
        const all = { alg: 'RS256', kid: 'rsa', ...typeof header === 'function' ? header() : header };
        const input = `${b64(all)}.${b64(usual())}`;
        const signature = crypto.sign('sha256', Buffer.from(input), keys.rsa.private);
        await isRefused(`${input}.${signature.toString('base64url')}`, reason);
    });
}

const algorithms = ['none', 'None', 'NONE', 'nOnE', '', 'HS256', 'HS384', 'HS512', 'RS1', 'RS384', 'RS512',
    'PS256', 'PS512', 'ES384', 'ES512', 'ES256K', 'EdDSA', 'rs256', 'RS256 ', 'RS256\u0000', 'dir', 'A256KW'];
for (const alg of algorithms) {
    test(`the algorithm ${JSON.stringify(alg)} is refused`, async () => {
        const input = `${b64({ alg, kid: 'rsa' })}.${b64(usual())}`;
        const right = crypto.sign('sha256', Buffer.from(input), keys.rsa.private).toString('base64url');
        for (const signature of [right, 'AAAA']) {
            await isRefused(`${input}.${signature}`, /RS256 or ES256|"alg" is wrong/);
        }
        await isRefused(`${input}.`, /no kind of login/);
    });
}

test('the public key as the secret of HS256 is refused', async () => {
    const pem = crypto.createPublicKey(keys.rsa.private).export({ type: 'spki', format: 'pem' });
    const der = crypto.createPublicKey(keys.rsa.private).export({ type: 'spki', format: 'der' });
    for (const secret of [pem, der, Buffer.from(keys.rsa.public.n, 'base64url'),
        JSON.stringify(keys.rsa.public), Buffer.alloc(0)]) {
        for (const alg of ['HS256', 'RS256']) {
            const input = `${b64({ alg, kid: 'rsa' })}.${b64(usual())}`;
            const mac = crypto.createHmac('sha256', secret).update(input).digest('base64url');
            await isRefused(`${input}.${mac}`, /RS256 or ES256|not signed/);
        }
    }
});

test('the algorithm twice is refused', async () => {
    const input = `${b64('{"alg":"none","kid":"rsa","alg":"RS256"}')}.${b64(usual())}`;
    const signature = crypto.sign('sha256', Buffer.from(input), keys.rsa.private).toString('base64url');
    await isRefused(`${input}.${signature}`, /"alg" is wrong/);
});

test('a stranger who uses the name of a key is refused', async () => {
    await isRefused(await issuer.sign({}, {}, keys.stranger), /not signed with a key/);
});

test('signatures of ES256 in other forms are refused', async () => {
    const input = `${b64({ alg: 'ES256', kid: 'ec' })}.${b64(usual())}`;
    const der = crypto.sign('sha256', Buffer.from(input), keys.ec.private);
    const zeros = Buffer.alloc(64);
    for (const signature of [der, zeros, Buffer.alloc(63), Buffer.alloc(65), Buffer.alloc(1)]) {
        await isRefused(`${input}.${signature.toString('base64url')}`, /not signed with a key/);
    }
});

test('what is cut, or not strictly coded, is refused', async () => {
    const assertion = await issuer.sign();
    const [header, payload, signature] = assertion.split('.');
    for (let length = 0; length < assertion.length; length += 7) {
        if (length === 0) continue;
        const { json: answer } = await verify(assertion.slice(0, length));
        assert.equal(answer.status, 'failure', `cut to ${length}`);
    }
    for (const text of [`${assertion}.`, `${assertion}.x`, `.${payload}.${signature}`, `${header}..${signature}`,
        `${header}.${payload}`, `${assertion}=`, `${header}=.${payload}.${signature}`, ` ${assertion}`,
        `${assertion}\n`, `${header}.${payload}.${signature}A`,
        `${header}\n.${payload}.${signature}`, `${b64('[]')}.${payload}.${signature}`,
        `${header}.${b64('"x"')}.${signature}`, `${header}.${b64('{"iss":"\uD800"')}.${signature}`,
        `${header}.${payload.replace(/^./, '+')}.${signature}`]) {
        const { json: answer } = await verify(text);
        assert.equal(answer.status, 'failure', text);
    }
    const large = await issuer.sign({ more: 'x'.repeat(20000) });
    await isRefused(large, /too large/);
    await logsIn(assertion);
});

test('every flipped bit is refused', async () => {
    for (const key of [keys.ec]) {
        const assertion = await issuer.sign({}, {}, key);
        const flips = [];
        for (let i = 0; i < assertion.length; i++) {
            for (let bit = 0; bit < 7; bit++) flips.push([i, bit]);
        }
        for (let at = 0; at < flips.length; at += 32) {
            await Promise.all(flips.slice(at, at + 32).map(async ([i, bit]) => {
                const bytes = Buffer.from(assertion);
                bytes[i] ^= 1 << bit;
                const answer = await verify(bytes.toString('latin1'));
                assert.equal(answer.json?.status, 'failure', `bit ${bit} of byte ${i}: ${answer.text}`);
            }));
        }
        await logsIn(assertion);
    }
});

test('random changes of whole bytes are refused', async () => {
    const assertion = await issuer.sign();
    for (let i = 0; i < assertion.length; i += 5) {
        const other = assertion[i] === 'A' ? 'B' : 'A';
        const answer = await verify(assertion.slice(0, i) + other + assertion.slice(i + 1));
        assert.equal(answer.json.status, 'failure', `byte ${i}`);
    }
});

/* ---- Apps ------------------------------------------------------------------------------------ */

test('an app cannot use the ID tokens of another', async () => {
    await logsIn(await issuer.sign({ aud: 'client-2' }), OTHER_APP);
    await isRefused(await issuer.sign({ aud: 'client-1' }), /app other than/, OTHER_APP);
    for (const audience of ['http://app.example', 'https://app.example:444', 'https://app.example.evil.example',
        'https://www.app.example']) {
        await isRefused(await issuer.sign(), /app other than/, audience);
    }
    for (const audience of ['https://user@app.example', 'https://app.example/path', 'app.example']) {
        await isRefused(await issuer.sign(), /./, audience);
    }
});

test('a client without origin is for the audiences that are listed, and no others', async () => {
    const open = await startServer({ conf: `dev_login off\nallow_audience ${APP} ${OTHER_APP}
        oidc_issuer ${issuer.url} client-1\n` });
    await logsIn(await issuer.sign(), APP, open);
    await logsIn(await issuer.sign(), OTHER_APP, open);
    await isRefused(await issuer.sign(), /not for the users/, 'https://third.example', open);
    await open.stop();
});

test('two issuers do not speak for each other', async () => {
    const [one, two] = [await startIssuer([keys.rsa]), await startIssuer([keys.stranger])];
    const both = await startServer({ conf: `dev_login off
        oidc_issuer ${one.url} client-1=${APP}\noidc_issuer ${two.url} client-1=${APP} email\n` });
    assert.equal((await logsIn(await one.sign(), APP, both)).email, nameOf('subject-1', one.url));
    assert.equal((await logsIn(await two.sign(), APP, both)).email, nameOf('subject-1', two.url));
    await isRefused(await one.sign({ iss: two.url }), /not signed with a key/, APP, both);
    await isRefused(await two.sign({ iss: one.url }), /not signed with a key/, APP, both);
    await both.stop();
    one.stop();
    two.stop();
});

/* ---- Keys ------------------------------------------------------------------------------------ */

async function withIssuer(setUp, action, more = '', options = {}) {
    const which = await startIssuer([keys.rsa], options.path);
    setUp(which);
    const at = await startServer({ conf: confOf(which, more) });
    try {
        await action(which, at);
        await at.stop();
    } finally {
        which.stop();
    }
}
const asWhole = (value, type = 'application/json', status = 200) => (request, response) => {
    response.writeHead(status, { 'Content-Type': type });
    response.end(typeof value === 'string' ? value : JSON.stringify(value));
};

test('metadata and keys are asked for once', () => withIssuer(() => {}, async (which, at) => {
    const tokens = await Promise.all(Array.from({ length: 8 }, () => which.sign()));
    await Promise.all(tokens.map((token) => logsIn(token, APP, at)));
    assert.deepEqual(which.asked, [METADATA, '/keys']);
}));

test('what is refused by itself asks nobody', () => withIssuer(() => {}, async (which, at) => {
    for (const claims of [{ aud: 'client-9' }, { exp: 1 }, { iss: 'https://x.example' }, { sub: '' }]) {
        await isRefused(await which.sign(claims), /./, APP, at);
    }
    assert.deepEqual(which.asked, []);
}));

test('of unknown keys the issuer is asked once a minute at most', () => withIssuer(() => {},
    async (which, at) => {
        await logsIn(await which.sign(), APP, at);
        for (let i = 0; i < 5; i++) {
            await isRefused(await which.sign({}, { kid: `new-${i}` }), /not signed/, APP, at);
        }
        assert.deepEqual(which.asked, [METADATA, '/keys'], 'they are less than a minute old');
    }));

const keySets = {
    'an HMAC key, foreign kinds and nonsense beside it': [() => [
        { kty: 'oct', k: 'c2VjcmV0', kid: 'rsa', alg: 'HS256' }, { kty: 'OKP', crv: 'Ed25519', x: 'AAAA', kid: 'rsa' },
        { kty: 7, kid: 'rsa' }, { kid: 'rsa' }, {}, { kty: 'AKP', alg: 'ML-DSA-44', pub: 'x'.repeat(2600) },
        { kty: 'RSA', n: '', e: '', kid: 'rsa' }, { kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' },
        keys.rsa.public], true],
    'the same name twice, the right one last': [() => [keys.stranger.public, keys.rsa.public], true],
    'the same name for another kind of key': [() => [{ ...keys.ec.public, kid: 'rsa' }, keys.rsa.public], true],
    'no use and no algorithm': [() => [{ ...keys.rsa.public, use: undefined, alg: undefined }], true],
    'the right operations': [() => [{ ...keys.rsa.public, key_ops: ['verify'] }], true],
    'certificates': [() => [{ ...keys.rsa.public, x5c: ['MIIB'], x5t: 'x' }], true],
    'a key for encryption': [() => [{ ...keys.rsa.public, use: 'enc' }], false],
    'a key for another algorithm': [() => [{ ...keys.rsa.public, alg: 'RS512' }], false],
    'the wrong operations': [() => [{ ...keys.rsa.public, key_ops: ['encrypt', 'wrapKey'] }], false],
    'no operations': [() => [{ ...keys.rsa.public, key_ops: [] }], false],
    'no keys': [() => [], false],
};
for (const [name, [list, works]] of Object.entries(keySets)) {
    test(`keys with ${name}`, () => withIssuer((which) => {
        which.answers['/keys'] = asWhole({ keys: list() }, 'application/jwk-set+json');
    }, async (which, at) => {
        if (works) await logsIn(await which.sign(), APP, at);
        else await isRefused(await which.sign(), /not signed with a key/, APP, at);
    }));
}

test('a short RSA key is none', async () => {
    const pair = crypto.generateKeyPairSync('rsa', { modulusLength: 1024 });
    await withIssuer((which) => {
        which.answers['/keys'] = asWhole({ keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'rsa' }] });
    }, async (which, at) => {
        const input = `${b64({ alg: 'RS256', kid: 'rsa' })}.${b64(usual({ iss: which.url }))}`;
        const signature = crypto.sign('sha256', Buffer.from(input), pair.privateKey).toString('base64url');
        await isRefused(`${input}.${signature}`, /not signed with a key/, APP, at);
    });
});

test('an RSA key with the exponent 1 is none', () => withIssuer((which) => {
    which.answers['/keys'] = asWhole({ keys: [{ ...keys.rsa.public, e: 'AQ' }] });
}, async (which, at) => {
    const input = `${b64({ alg: 'RS256', kid: 'rsa' })}.${b64(usual({ iss: which.url }))}`;
    const hash = crypto.createHash('sha256').update(input).digest('hex');
    const padded = `0001${'ff'.repeat(202)}003031300d060960864801650304020105000420${hash}`;
    await isRefused(`${input}.${Buffer.from(padded, 'hex').toString('base64url')}`, /not signed with a key/, APP, at);
}));

test('without a name of the key there must be only one', () => withIssuer((which) => {
    which.answers['/keys'] = asWhole({ keys: [{ ...keys.rsa.public, kid: undefined }, keys.ec.public] });
}, async (which, at) => {
    await logsIn(await which.sign({}, { kid: undefined }), APP, at);
    await isRefused(await which.sign(), /not signed with a key/, APP, at);
}));

/* ---- Issuers that are not well --------------------------------------------------------------- */

const unusable = {
    'metadata of another issuer': (which) => { which.answers[METADATA] =
        asWhole({ issuer: 'https://other.example', jwks_uri: `${which.origin}/keys` }); },
    'metadata without keys': (which) => { which.answers[METADATA] = asWhole({ issuer: which.url }); },
    'metadata that name keys elsewhere in the clear': (which) => { which.answers[METADATA] =
        asWhole({ issuer: which.url, jwks_uri: 'http://192.0.2.1/keys' }); },
    'metadata that name a file': (which) => { which.answers[METADATA] =
        asWhole({ issuer: which.url, jwks_uri: 'file:///etc/passwd' }); },
    'metadata that name the keys twice': (which) => { which.answers[METADATA] =
        asWhole(`{"issuer":"${which.url}","jwks_uri":"${which.origin}/keys","jwks_uri":"${which.origin}/keys"}`); },
    'metadata that are no JSON': (which) => { which.answers[METADATA] = asWhole('<html>'); },
    'metadata of another type': (which) => { which.answers[METADATA] = asWhole(which.metadata(), 'text/html'); },
    'no metadata': (which) => { which.answers[METADATA] = asWhole({}, 'application/json', 404); },
    'metadata elsewhere': (which) => { which.answers[METADATA] = (request, response) => {
        response.writeHead(302, { Location: `${which.origin}/elsewhere` });
        response.end();
    }; },
    'metadata that never come': (which) => { which.answers[METADATA] = () => {}; },
    'keys that never come': (which) => { which.answers['/keys'] = () => {}; },
    'keys that are no JSON': (which) => { which.answers['/keys'] = asWhole('no'); },
    'keys that are a list': (which) => { which.answers['/keys'] = asWhole([keys.rsa.public]); },
    'keys of another type': (which) => { which.answers['/keys'] = asWhole(which.jwks(), 'text/html'); },
    'keys twice': (which) => { which.answers['/keys'] = asWhole('{"keys":[],"keys":[]}'); },
    'keys that are text': (which) => { which.answers['/keys'] = asWhole({ keys: 'abc' }); },
    'a key that is text': (which) => { which.answers['/keys'] = asWhole({ keys: ['abc'] }); },
    'too many keys': (which) => { which.answers['/keys'] =
        asWhole({ keys: Array.from({ length: 40 }, () => keys.rsa.public) }); },
    'an error instead of keys': (which) => { which.answers['/keys'] = asWhole(which.jwks(), 'application/json', 500); },
    'keys drop by drop': (which) => { which.answers['/keys'] = (request, response) => {
        response.writeHead(200, { 'Content-Type': 'application/json' });
        const timer = setInterval(() => response.write(' '), 20).unref();
        response.on('close', () => clearInterval(timer));
    }; },
    'keys without end': (which) => { which.answers['/keys'] = (request, response) => {
        response.writeHead(200, { 'Content-Type': 'application/json' });
        const more = () => { while (response.write(' '.repeat(65536))) { /* until it is full */ } };
        response.on('drain', more);
        more();
    }; },
    'a line that is cut': (which) => { which.answers['/keys'] = (request, response) => response.destroy(); },
};
for (const [name, setUp] of Object.entries(unusable)) {
    test(`an issuer with ${name} holds up nobody, and the answer is clear`, () => withIssuer(setUp,
        async (which, at) => {
            const waiting = verify(await which.sign(), APP, at);
            for (let i = 0; i < 10; i++) assert.equal((await at.request('GET', '/info')).status, 200);
            const { status, json: answer, headers, text } = await waiting;
            assert.equal(status, 503, text);
            assert.equal(answer.error, 'busy');
            assert.match(answer.message, /issuer/);
            assert.ok(Number(headers['retry-after']) > 0);
        }, 'login_timeout 300ms'));
}

test('an issuer that is not there', async () => {
    const probe = http.createServer();
    const url = await listen(probe);
    await new Promise((resolve) => probe.close(resolve));
    const alone = await startServer({ conf: confOf({ url }) });
    const { status, json: answer } = await verify(await issuer.sign({ iss: url }), APP, alone);
    assert.equal(status, 503);
    assert.match(answer.message, /cannot be asked/);
    await alone.stop();
});

/* ---- Confs ----------------------------------------------------------------------------------- */

test('off: such assertions are refused by name', async () => {
    const off = await startServer({ conf: '' });
    await isRefused(await issuer.sign(), /there is no oidc_issuer/, APP, off);
    await off.stop();
});

const badConfs = {
    'no client': ['https://id.example', /CLIENT=https/],
    'only email': ['https://id.example email', /CLIENT=https/],
    'http': ['http://id.example a=https://app.example', /is no URL with https/],
    'a host that begins like this machine': ['http://127.0.0.1.evil.example a=https://a.example', /is no URL/],
    'no URL': ['google a=https://app.example', /is no URL/],
    'a user in the URL': ['https://a@id.example a=https://app.example', /./],
    'capitals': ['https://ID.example a=https://app.example', /./],
    'a query': ['https://id.example/?a a=https://app.example', /"\?"/],
    'no origin after the client': ['https://id.example a', /CLIENT=https:\/\/APP/],
    'a path in the origin': ['https://id.example a=https://app.example/x', /./],
    'nothing before the origin': ['https://id.example =https://app.example', /is no CLIENT/],
    'an issuer twice': ['https://id.example a=https://b.example\noidc_issuer https://id.example c=https://d.example',
        /there twice/],
};
for (const [name, [line, message]] of Object.entries(badConfs)) {
    test(`a conf with ${name} is refused`, async () => {
        const end = await runToEnd(['-t'], { conf: `listen 127.0.0.1:0\noidc_issuer ${line}\n` });
        assert.equal(end.code, 1, end.stderr);
        assert.match(end.stderr, /oidc_issuer/);
        assert.match(end.stderr, message);
    });
}

test('dev login goes with no issuer', async () => {
    const end = await runToEnd(['-t'], {
        conf: 'listen 127.0.0.1:0\ndev_login on\noidc_issuer https://id.example a=https://app.example\n' });
    assert.match(end.stderr, /dev_login: not together with oidc_issuer/);
});
