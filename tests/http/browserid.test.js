/* BrowserID assertions of issuers whose keys the server has: what is taken, and everything that is not.
 * The assertions are made here, by another library's signatures. */
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test, before, after } = require('node:test');

const { startServer, collection, runToEnd } = require('./lib/server.js');
const { verify } = require('./lib/verifier.js');

const AUDIENCE = 'https://app.example';
const ANN = 'ann@login.example';
const HOUR = 3600_000;

/* ---- Keys ---------------------------------------------------------------------------------- */

const decimal = (bytes) => BigInt(`0x${bytes.toString('hex')}`).toString();
const base64url = (bytes) => Buffer.from(bytes).toString('base64url');
const fromBase64url = (text) => Buffer.from(text, 'base64url');

/* The four numbers of a DSA key, out of its DER (SEQUENCE, INTEGER, BIT STRING). */
function dsaNumbers(publicKey) {
    const der = publicKey.export({ format: 'der', type: 'spki' });
    const numbers = [];
    const walk = (bytes) => {
        for (let at = 0; at < bytes.length;) {
            const tag = bytes[at++];
            let length = bytes[at++];
            if (length & 0x80) {
                const count = length & 0x7f;
                length = parseInt(bytes.toString('hex', at, at + count), 16);
                at += count;
            }
            const value = bytes.subarray(at, at + length);
            if (tag === 0x30) walk(value);
            if (tag === 0x02) numbers.push(value[0] === 0 ? value.subarray(1) : value);
            if (tag === 0x03) walk(value.subarray(1));
            at += length;
        }
    };
    walk(der);
    return Object.fromEntries(['p', 'q', 'g', 'y'].map((name, i) => [name, numbers[i]]));
}

class Key {
    constructor(kind, options, label) {
        this.pair = crypto.generateKeyPairSync(kind, options);
        this.kind = kind;
        this.label = label;
    }

    get numbers() {
        if (this.kind === 'dsa') return dsaNumbers(this.pair.publicKey);
        const { n, e } = this.pair.publicKey.export({ format: 'jwk' });
        return { n: fromBase64url(n), e: fromBase64url(e) };
    }

    /* As it was written first. */
    get old() {
        const write = this.kind === 'dsa' ? (bytes) => bytes.toString('hex') : decimal;
        return { algorithm: this.kind === 'dsa' ? 'DS' : 'RS', ...Object.fromEntries(
            Object.entries(this.numbers).map(([name, bytes]) => [name, write(bytes)])) };
    }

    get coded() {
        return { kty: this.kind.toUpperCase(), ...Object.fromEntries(
            Object.entries(this.numbers).map(([name, bytes]) => [name, base64url(bytes)])) };
    }

    sign(text, hash = this.label === 'DS128' ? 'sha1' : 'sha256') {
        return crypto.sign(hash, text, { key: this.pair.privateKey, dsaEncoding: 'ieee-p1363' });
    }
}

const keys = {
    issuer: new Key('rsa', { modulusLength: 2048 }, 'RS256'),
    other: new Key('rsa', { modulusLength: 2048 }, 'RS256'),
    user: new Key('rsa', { modulusLength: 2048 }, 'RS256'),
    dsa: new Key('dsa', { modulusLength: 2048, divisorLength: 256 }, 'DS256'),
    shortOrder: new Key('dsa', { modulusLength: 2048, divisorLength: 224 }, 'DS256'),
    weak: new Key('rsa', { modulusLength: 1024 }, 'RS128'),
    weakDsa: new Key('dsa', { modulusLength: 1024, divisorLength: 160 }, 'DS128'),
    tiny: new Key('rsa', { modulusLength: 512 }, 'RS64'),
    long: new Key('rsa', { modulusLength: 3072 }, 'RS384'),
};

/* ---- Assertions ---------------------------------------------------------------------------- */

const json = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

function jws(header, payload, key, change = {}) {
    const signed = `${base64url(json(header))}.${base64url(json(payload))}`;
    return `${signed}.${base64url(change.signature ?? key.sign(Buffer.from(signed), change.hash))}`;
}

/* A good one, but for what is said. */
function make({ issuer = keys.issuer, user = keys.user, publicKey = user.old, certificate = {}, claims = {},
    certificateHeader = { alg: issuer.label }, header = { alg: user.label }, signedBy = user,
    certifiedBy = issuer, certificateText, claimsText, change, certificateChange } = {}) {
    const now = Date.now();
    const drop = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
    const first = jws(certificateHeader, certificateText ?? drop({ iss: 'login.example', iat: now - 1000,
        exp: now + HOUR, 'public-key': publicKey, principal: { email: ANN }, ...certificate }),
    certifiedBy, certificateChange);
    const second = jws(header, claimsText ?? drop({ aud: AUDIENCE, exp: now + 120_000, ...claims }),
        signedBy, change);
    return `${first}~${second}`;
}

let directory, server, legacy;

function writeDocument(name, document) {
    const file = path.join(directory, name);
    fs.writeFileSync(file, json(document));
    return file;
}

before(async () => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-browserid-'));
    const files = Object.fromEntries(['issuer', 'dsa', 'weak', 'weakDsa'].map((name) =>
        [name, writeDocument(name, { 'public-key': keys[name].old, authentication: '/sign_in' })]));
    const issuers = `login.example=${files.issuer} dsa.example=${files.dsa} coded.example=${
        writeDocument('coded', { 'public-key': keys.other.coded })}`;
    server = await startServer({ conf: `dev_login off\nbrowserid_issuer ${issuers}\n` });
    legacy = await startServer({ conf: `dev_login off\nbrowserid_legacy on\nbrowserid_issuer ${
        issuers} weak.example=${files.weak} weakdsa.example=${files.weakDsa}\n` });
});

after(async () => {
    await server.stop();
    await legacy.stop();
    fs.rmSync(directory, { recursive: true });
});

const answerTo = async (assertion, audience = AUDIENCE, where = server) => {
    const { status, json: answer } = await verify(where, assertion, audience);
    assert.equal(status, 200, JSON.stringify(answer));
    return answer;
};

async function assertGood(assertion, email = ANN, where = server, audience = AUDIENCE) {
    const answer = await answerTo(assertion, audience, where);
    assert.equal(answer.status, 'okay', answer.reason);
    assert.equal(answer.email, email);
    return answer;
}

async function assertRefused(assertion, reason, { where, audience } = {}) {
    const answer = await answerTo(assertion, audience, where);
    assert.equal(answer.status, 'failure', 'it was taken');
    assert.match(answer.reason, reason);
}

/* ---- What is taken ------------------------------------------------------------------------- */

test('a good assertion gives a token that lets in, once', async () => {
    const assertion = make();
    const answer = await assertGood(assertion);
    assert.equal(answer.issuer, 'login.example');
    const token = answer.auth.query.auth;
    assert.equal((await collection(server, { email: ANN, token }).get()).status, 200);
    await assertRefused(assertion, /used before/);
});

const taken = {
    'a user\'s DSA key': [{ user: keys.dsa }],
    'a user\'s key in base64url': [{ publicKey: keys.user.coded }],
    'a user\'s DSA key in base64url': [{ user: keys.dsa, publicKey: keys.dsa.coded }],
    'an issuer\'s DSA key': [{ issuer: keys.dsa,
        certificate: { iss: 'dsa.example', principal: { email: 'ann@dsa.example' } } }, 'ann@dsa.example'],
    'an issuer\'s key in base64url': [{ issuer: keys.other,
        certificate: { iss: 'coded.example', principal: { email: 'ann@coded.example' } } }, 'ann@coded.example'],
    'a domain in capitals': [{ certificate: { principal: { email: 'Ann@LOGIN.example' } } }, 'Ann@login.example'],
    'an audience with its own port': [{ claims: { aud: 'https://app.example:443' } }],
    'an assertion that says when it was made': [{ claims: { iat: Date.now() } }],
    'members that mean nothing': [{ certificate: { more: { deep: [1] } }, claims: { more: null } }],
    'a header with a typ': [{ header: { typ: 'JWT', alg: 'RS256' } }],
    'clocks that differ by less than a minute': [{ certificate: { iat: Date.now() + 50_000 },
        claims: { exp: Date.now() - 50_000 } }],
};
for (const [name, [options, email]] of Object.entries(taken)) {
    test(`taken: ${name}`, () => assertGood(make(options), email));
}

/* ---- What is not --------------------------------------------------------------------------- */

const now = Date.now();
const refused = {
    /* times */
    'a certificate that has expired': [{ certificate: { exp: now - 61_000 } }, /certificate has expired/],
    'a certificate of the future': [{ certificate: { iat: now + 120_000 } }, /certificate is from the future/],
    'an assertion that has expired': [{ claims: { exp: now - 61_000 } }, /assertion has expired/],
    'an assertion of the future': [{ claims: { iat: now + 120_000 } }, /assertion is from the future/],
    'an assertion with seconds for milliseconds': [{ claims: { exp: Math.floor(now / 1000) + 120 } }, /has expired/],
    /* missing and wrong members */
    'no iss': [{ certificate: { iss: undefined } }, /lacks one of/],
    'no iat': [{ certificate: { iat: undefined } }, /lacks one of/],
    'no exp in the certificate': [{ certificate: { exp: undefined } }, /lacks one of/],
    'no principal': [{ certificate: { principal: undefined } }, /lacks one of/],
    'no e-mail': [{ certificate: { principal: {} } }, /lacks one of/],
    'no public key': [{ certificate: { 'public-key': undefined } }, /no good public-key/],
    'no aud': [{ claims: { aud: undefined } }, /lacks aud or exp/],
    'no exp': [{ claims: { exp: undefined } }, /lacks aud or exp/],
    'iss that is no text': [{ certificate: { iss: 7 } }, /does not say/],
    'exp that is no number': [{ certificate: { exp: '1' } }, /does not say/],
    'exp that is negative': [{ certificate: { exp: -1 } }, /does not say/],
    'exp with an exponent': [{ claimsText: `{"aud":"${AUDIENCE}","exp":9e15}` }, /lacks aud/],
    'aud that is a list': [{ claims: { aud: [AUDIENCE] } }, /lacks aud/],
    'principal that is text': [{ certificate: { principal: ANN } }, /lacks one of/],
    'a public key that is text': [{ certificate: { 'public-key': 'x' } }, /no good public-key/],
    'iss twice': [{ certificateText: `{"iss":"login.example","iss":"login.example","iat":1,"exp":${now + HOUR}}` },
        /does not say/],
    'principal twice': [{ certificateText: '{"principal":{"email":"a@b.example"},"principal":{"email":"a@b.example"}}' },
        /does not say/],
    'aud twice': [{ claimsText: `{"aud":"https://evil.example","aud":"${AUDIENCE}","exp":${now + HOUR}}` }, /lacks aud/],
    'a certificate that is no JSON': [{ certificateText: '{' }, /does not say/],
    'a certificate that is a list': [{ certificateText: '[]' }, /does not say/],
    'an assertion that is no JSON': [{ claimsText: 'x' }, /lacks aud/],
    'an assertion that is deeply nested': [{ claimsText: `${'['.repeat(100)}${']'.repeat(100)}` }, /lacks aud/],
    /* who */
    'an e-mail of another domain': [{ certificate: { principal: { email: 'ann@other.example' } } }, /untrusted issuer/],
    'an e-mail of a domain below': [{ certificate: { principal: { email: 'ann@x.login.example' } } }, /untrusted issuer/],
    'an e-mail with two domains': [{ certificate: { principal: { email: 'ann@other.example@login.example' } } },
        /no e-mail address/],
    'an e-mail with a NUL': [{ certificate: { principal: { email: 'ann\0@login.example' } } }, /does not say/],
    'an e-mail with a line break': [{ certificate: { principal: { email: 'ann\n@login.example' } } }, /does not say/],
    'an e-mail with a blank': [{ certificate: { principal: { email: 'an n@login.example' } } }, /no e-mail address/],
    'an e-mail without a name': [{ certificate: { principal: { email: '@login.example' } } }, /no e-mail address/],
    'an e-mail that is too long': [{ certificate: { principal: { email: `${'a'.repeat(300)}@login.example` } } },
        /does not say/],
    'an issuer that is not known': [{ certificate: { iss: 'evil.example', principal: { email: 'ann@evil.example' } } },
        /not known here/],
    'an issuer in capitals': [{ certificate: { iss: 'LOGIN.EXAMPLE' } }, /not known here/],
    'an issuer with a dot': [{ certificate: { iss: 'login.example.' } }, /not known here/],
    'the certificate of one issuer, signed by another': [{ certifiedBy: keys.other }, /not signed by its issuer/],
    'a certificate signed by the user': [{ certifiedBy: keys.user }, /not signed by its issuer/],
    'an assertion signed by somebody else': [{ signedBy: keys.other }, /not signed with the key/],
    'an assertion signed by the issuer': [{ signedBy: keys.issuer }, /not signed with the key/],
    /* algorithms */
    'alg none': [{ header: { alg: 'none' }, change: { signature: 'x' } }, /not taken/],
    'alg HS256 with the public key': [{ header: { alg: 'HS256' }, change: { signature: crypto.createHmac('sha256',
        keys.user.pair.publicKey.export({ format: 'pem', type: 'spki' })).update('x').digest() } }, /not taken/],
    'alg DS256 with an RSA key': [{ header: { alg: 'DS256' } }, /not signed with the key/],
    'alg RS256 with a DSA key': [{ user: keys.dsa, header: { alg: 'RS256' } }, /not signed with the key/],
    'alg in small letters': [{ header: { alg: 'rs256' } }, /not taken/],
    'no alg': [{ header: {} }, /not taken/],
    'alg that is a number': [{ header: { alg: 256 } }, /no good header/],
    'alg twice': [{ header: '{"alg":"RS256","alg":"none"}' }, /no good header/],
    'a header that is no object': [{ header: '"RS256"' }, /no good header/],
    'alg DS256 of the issuer': [{ certificateHeader: { alg: 'DS256' } }, /not signed by its issuer/],
    'alg RS64': [{ user: keys.tiny }, /not taken/],
    'a key of 512 bits with the name of a longer one': [{ user: keys.tiny, header: { alg: 'RS256' } },
        /not signed with the key/],
    'a key of 3072 bits': [{ user: keys.long, header: { alg: 'RS256' } }, /not signed with the key/],
    'a key of 1024 bits': [{ user: keys.weak }, /too weak/],
    'a key of 1024 bits with the name of a longer one': [{ user: keys.weak, header: { alg: 'RS256' } },
        /not signed with the key/],
    'a DSA key with q of 224 bits': [{ user: keys.shortOrder }, /not signed with the key/],
    'a DSA key of 1024 bits': [{ user: keys.weakDsa }, /too weak/],
    'a signature with SHA-1': [{ change: { hash: 'sha1' } }, /not signed with the key/],
    'a signature with SHA-512': [{ change: { hash: 'sha512' } }, /not signed with the key/],
    /* keys */
    'a key of an unknown kind': [{ publicKey: { algorithm: 'EC', x: '1', y: '2' } }, /no good public-key/],
    'a key without n': [{ publicKey: { algorithm: 'RS', e: '65537' } }, /no good public-key/],
    'a key with an even n': [{ publicKey: { ...keys.user.old, n: `${keys.user.old.n.slice(0, -1)}0` } }, /no good public-key/],
    'a key with e of 1': [{ publicKey: { ...keys.user.old, e: '1' } }, /no good public-key/],
    'a key with an even e': [{ publicKey: { ...keys.user.old, e: '65536' } }, /no good public-key/],
    'a key with a huge e': [{ publicKey: { ...keys.user.old, e: '9'.repeat(100) } }, /no good public-key/],
    'a key with a sign': [{ publicKey: { ...keys.user.old, n: `-${keys.user.old.n}` } }, /no good public-key/],
    'a key with a blank': [{ publicKey: { ...keys.user.old, n: ` ${keys.user.old.n}` } }, /no good public-key/],
    'a key in hexadecimal that should be decimal': [{ publicKey: { ...keys.user.old, n: 'abcdef' } }, /no good public-key/],
    'a key with far too many digits': [{ publicKey: { ...keys.user.old, n: '1'.repeat(5000) } }, /does not say/],
    'a DSA key without y': [{ user: keys.dsa, publicKey: { ...keys.dsa.old, y: undefined } }, /no good public-key/],
    'a DSA key with y of 1': [{ user: keys.dsa, publicKey: { ...keys.dsa.old, y: '1' } }, /no good public-key/],
    'a DSA key with g of 0': [{ user: keys.dsa, publicKey: { ...keys.dsa.old, g: '0' } }, /no good public-key/],
    'a DSA key with y beyond p': [{ user: keys.dsa, publicKey: { ...keys.dsa.old, y: `f${keys.dsa.old.p}` } }, /no good public-key/],
    'a DSA key with a short q': [{ user: keys.dsa, publicKey: { ...keys.dsa.old, q: 'b' } }, /not signed with the key/],
    /* audiences, as they were signed */
    'another host': [{ claims: { aud: 'https://evil.example' } }, /domain mismatch/],
    'a host below': [{ claims: { aud: 'https://x.app.example' } }, /domain mismatch/],
    'another scheme': [{ claims: { aud: 'http://app.example' } }, /scheme mismatch/],
    'another port': [{ claims: { aud: 'https://app.example:8443' } }, /port mismatch/],
    'a path': [{ claims: { aud: 'https://app.example/x' } }, /audience mismatch/],
    'a user': [{ claims: { aud: 'https://app.example@evil.example' } }, /audience mismatch/],
    'a user before it': [{ claims: { aud: 'https://evil.example@app.example' } }, /audience mismatch/],
    'capitals': [{ claims: { aud: 'https://APP.example' } }, /audience mismatch/],
    'a dot at the end': [{ claims: { aud: 'https://app.example.' } }, /audience mismatch/],
    'no scheme': [{ claims: { aud: 'app.example' } }, /audience mismatch/],
    'a blank': [{ claims: { aud: ' https://app.example' } }, /audience mismatch/],
    'a query': [{ claims: { aud: 'https://app.example?x' } }, /audience mismatch/],
    'a port of zero': [{ claims: { aud: 'https://app.example:0' } }, /audience mismatch/],
    'a port with zeros': [{ claims: { aud: 'https://app.example:0443' } }, /audience mismatch/],
    'something else': [{ claims: { aud: 'javascript:alert(1)' } }, /audience mismatch/],
};
for (const [name, [options, reason]] of Object.entries(refused)) {
    test(`refused: ${name}`, () => assertRefused(make(options), reason));
}

for (const name of ['principal', 'public-key']) {
    test(`refused: ${name} twice, the first of them empty`, async () => {
        const [payload] = [{ iss: 'login.example', iat: now - 1000, exp: now + HOUR,
            'public-key': keys.user.old, principal: { email: ANN } }].map(json);
        await assertGood(make({ certificateText: payload }));
        await assertRefused(make({ certificateText: payload.replace(`"${name}":`, `"${name}":{},"${name}":`) }),
            /does not say/);
    });
}

/* Changes of the text of a good one. */
const spoiled = {
    'no certificate': (text) => `~${text.split('~')[1]}`,
    'no assertion': (text) => `${text.split('~')[0]}~`,
    'two certificates': (text) => `${text.split('~')[0]}~${text}`,
    'a third part behind it': (text) => `${text}~`,
    'two parts': (text) => text.replace(/\.[^.]*$/, ''),
    'four parts': (text) => `${text}.x`,
    'no signature': (text) => text.replace(/\.[^.]*$/, '.'),
    'a signature cut by a letter': (text) => text.slice(0, -1),
    'a signature cut in half': (text) => text.slice(0, -170),
    'a signature with a byte more': (text) => `${text}AA`,
    'padding': (text) => `${text}==`,
    'base64 instead of base64url': (text) => `${text.slice(0, -1)}+`,
    'a blank in it': (text) => `${text.slice(0, 50)} ${text.slice(50)}`,
    'a line break at its end': (text) => `${text}\n`,
    'an empty header': (text) => text.replace(/~[^.]*\./, '~.'),
    'an empty payload': (text) => text.replace(/~([^.]*)\.[^.]*\./, '~$1..'),
    'more than there may be': (text) => `${text}${'A'.repeat(20_000)}`,
};
for (const [name, spoil] of Object.entries(spoiled)) {
    test(`refused: ${name}`, () => assertRefused(spoil(make()), /./));
}

test('no flipped bit of a good one is taken', async () => {
    const text = make();
    const bits = 8 * text.length;
    for (let bit = 0; bit < bits; bit += 1 + bits % 7) {
        const bytes = Buffer.from(text, 'latin1');
        bytes[bit >> 3] ^= 1 << (bit & 7);
        const { status, json: answer } = await verify(server, bytes.toString('latin1'), AUDIENCE);
        assert.ok(status === 400 || answer.status === 'failure', `bit ${bit}`);
    }
    await assertGood(text);
});

test('an assertion of one user with the certificate of another is refused', async () => {
    const [hers] = make().split('~');
    const [, his] = make({ user: keys.other }).split('~');
    await assertRefused(`${hers}~${his}`, /not signed with the key/);
});

test('a DSA signature whose first bytes are zero may lack them', async () => {
    for (let i = 0; i < 20_000; i++) {
        const text = make({ user: keys.dsa, claims: { number: i } });
        const at = text.lastIndexOf('.') + 1;
        const signature = fromBase64url(text.slice(at));
        if (signature[0] !== 0) continue;
        await assertGood(text.slice(0, at) + base64url(signature.subarray(1)));
        return;
    }
    assert.fail('no such signature');
});

/* ---- Weak keys, and the configuration ------------------------------------------------------ */

test('weak keys are taken where they are asked for', async () => {
    await assertGood(make({ user: keys.weak }), ANN, legacy);
    await assertGood(make({ user: keys.weakDsa }), ANN, legacy);
    for (const [issuer, domain] of [[keys.weak, 'weak.example'], [keys.weakDsa, 'weakdsa.example']]) {
        const email = `ann@${domain}`;
        await assertGood(make({ issuer, certificate: { iss: domain, principal: { email } } }), email, legacy);
    }
    await assertRefused(make({ user: keys.tiny }), /not taken/, { where: legacy });
});

test('what is wrong with an issuer is said at the start', async () => {
    const good = writeDocument('good', { 'public-key': keys.issuer.old });
    for (const [value, says] of [
        ['login.example', /not DOMAIN=FILE/],
        [`=${good}`, /not DOMAIN=FILE/],
        [`Login.example=${good}`, /not DOMAIN=FILE/],
        ['login.example=/nowhere/document', /\/nowhere\/document: cannot open it/],
        [`login.example=${good} login.example=${good}`, /there twice/],
        [`login.example=${writeDocument('disabled', { disabled: true })}`, /disabled/],
        [`login.example=${writeDocument('delegating', { authority: 'other.example' })}`, /leaves it to another/],
        [`login.example=${writeDocument('empty', {})}`, /public-key/],
        [`login.example=${writeDocument('tiny', { 'public-key': keys.tiny.old })}`, /size/],
        [`login.example=${writeDocument('text', 'no JSON')}`, /text:/],
        [`login.example=${writeDocument('large', ' '.repeat(20_000))}`, /longer than/],
    ]) {
        const { code, stderr } = await runToEnd([], { conf: `dev_login off\nbrowserid_issuer ${value}\n` });
        assert.equal(code, 1, value);
        assert.match(stderr, /browserid_issuer/);
        assert.match(stderr, says);
    }
});

test('another key is taken after a reload, and the first no more', async () => {
    const file = writeDocument('changing', { 'public-key': keys.issuer.old });
    const own = await startServer({ conf: `dev_login off\nbrowserid_issuer login.example=${file}\n` });
    await assertGood(make(), ANN, own);
    writeDocument('changing', { 'public-key': keys.other.old });
    own.signal('SIGHUP');
    await own.waitForLog(/reload: done/);
    await assertGood(make({ issuer: keys.other }), ANN, own);
    await assertRefused(make(), /not signed by its issuer/, { where: own });
    await own.stop();
});
