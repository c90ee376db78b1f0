/* An OpenID Connect issuer on loopback that says what a test wants, and signs with npm's jose. */
'use strict';

const http = require('node:http');
const jose = require('jose');
const { listen } = require('./verifier.js');

const METADATA = '/.well-known/openid-configuration';

/* { kid, alg, private, public (a JWK) } */
async function makeKey(kid, alg = 'RS256', options = {}) {
    const pair = await jose.generateKeyPair(alg, { extractable: true, ...options });
    const jwk = await jose.exportJWK(pair.publicKey);
    return { kid, alg, private: pair.privateKey,
        public: { ...jwk, use: 'sig', alg, ...kid && { kid } } };
}

class Issuer {
    asked = [];    /* paths, as they come */
    answers = {};  /* path -> handler(request, response) in the place of the usual answer */

    constructor(keys, path) {
        this.keys = keys;
        this.path = path;
        this.server = http.createServer((request, response) => this.answer(request, response));
    }

    async start() {
        this.origin = await listen(this.server);
        this.url = this.origin + this.path;
        return this;
    }

    metadata() {
        return { issuer: this.url, jwks_uri: `${this.origin}/keys`,
            authorization_endpoint: `${this.url}/auth`, response_types_supported: ['code'] };
    }

    jwks() {
        return { keys: this.keys.map((key) => key.public) };
    }

    answer(request, response) {
        this.asked.push(request.url);
        if (this.answers[request.url]) {
            this.answers[request.url](request, response);
            return;
        }
        const found = { [`${this.path.replace(/\/$/, '')}${METADATA}`]: () => this.metadata(),
            '/keys': () => this.jwks() }[request.url];
        response.writeHead(found ? 200 : 404, { 'Content-Type': 'application/json' });
        response.end(found ? JSON.stringify(found()) : '{}');
    }

    /* claims replace or, when undefined, remove the usual ones. */
    sign(claims = {}, header = {}, key = this.keys[0]) {
        const now = Math.floor(Date.now() / 1000);
        const all = { iss: this.url, sub: 'subject-1', aud: 'client-1', iat: now, exp: now + 300,
            jti: String(counter++), ...claims };
        return this.signText(JSON.stringify(all), header, key);
    }

    signText(payload, header = {}, key = this.keys[0]) {
        return new jose.CompactSign(Buffer.from(payload))
            .setProtectedHeader({ alg: key.alg, ...key.kid && { kid: key.kid }, ...header })
            .sign(key.private, { crit: { exp: true } });
    }

    stop() {
        this.server.closeAllConnections();
        this.server.close();
    }
}

let counter = 0;

const startIssuer = (keys, path = '') => new Issuer(keys, path).start();

module.exports = { METADATA, jose, makeKey, startIssuer };
