/* A certificate for localhost and 127.0.0.2, and the authority that vouches for it. */
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

/* { key, cert, ca }: the first two as bytes, the authority's certificate as a file. */
function makeCertificate(directory, names = 'DNS:localhost,IP:127.0.0.2') {
    const file = (name) => path.join(directory, name);
    const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe' });
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test authority',
        '-keyout', file('ca.key'), '-out', file('ca.pem'));
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost', '-keyout', file('key'),
        '-out', file('request'));
    fs.writeFileSync(file('extensions'), `subjectAltName=${names}\n`);
    openssl('x509', '-req', '-in', file('request'), '-CA', file('ca.pem'), '-CAkey', file('ca.key'),
        '-CAcreateserial', '-days', '2', '-extfile', file('extensions'), '-out', file('cert'));
    return { key: fs.readFileSync(file('key')), cert: fs.readFileSync(file('cert')), ca: file('ca.pem') };
}

module.exports = { makeCertificate };
