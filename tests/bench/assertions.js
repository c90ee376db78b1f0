'use strict';
// Makes BrowserID assertions, each good for one login: a line of a form's body each.
// usage: assertions.js COUNT AUDIENCE ISSUER_DOCUMENT (which is written)
const crypto = require('crypto');
const fs = require('fs');

const [count, audience, file] = process.argv.slice(2);
const issuer = crypto.generateKeyPairSync('rsa', {modulusLength: 2048});
const user = crypto.generateKeyPairSync('rsa', {modulusLength: 2048});
const now = Date.now();

function publicKey({publicKey: key}) {
  const {n, e} = key.export({format: 'jwk'});
  const decimal = (text) => BigInt(`0x${Buffer.from(text, 'base64url').toString('hex')}`).toString();
  return {algorithm: 'RS', n: decimal(n), e: decimal(e)};
}

function sign(claims, {privateKey}) {
  const code = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${code({alg: 'RS256'})}.${code(claims)}`;
  return `${text}.${crypto.sign('sha256', text, privateKey).toString('base64url')}`;
}

fs.writeFileSync(file, JSON.stringify({'public-key': publicKey(issuer)}));
const certificate = sign({
  iss: 'login.example', iat: now - 1000, exp: now + 3600_000, 'public-key': publicKey(user),
  principal: {email: 'ann@login.example'},
}, issuer);
for (let i = 0; i < Number(count); i++) {
  const assertion = `${certificate}~${sign({aud: audience, exp: now + 1000_000 + i}, user)}`;
  console.log(new URLSearchParams({assertion, audience}).toString());
}
