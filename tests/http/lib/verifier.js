/* A BrowserID verifier on loopback that answers as a test wants. */
'use strict';

const http = require('node:http');

const listen = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () =>
    resolve(`http://127.0.0.1:${server.address().port}`)));

/* handler(response, body); asked has what came. */
async function startVerifier(handler) {
    const asked = [];
    const server = http.createServer((request, response) => {
        const chunks = [];
        request.on('data', (chunk) => chunks.push(chunk));
        request.on('end', () => {
            const body = Buffer.concat(chunks).toString();
            asked.push({ method: request.method, url: request.url, headers: request.headers, body });
            handler(response, body);
        });
    });
    return { server, asked, url: await listen(server) };
}

const json = (value) => (response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(typeof value === 'string' ? value : JSON.stringify(value));
};

/* Believes everything: an assertion "ann@example.org~anything" is hers, for whatever audience. */
function believe(response, body) {
    const form = new URLSearchParams(body);
    json({ status: 'okay', email: form.get('assertion').split('~')[0],
        audience: form.get('audience'), expires: Date.now() + 3600_000, issuer: 'login.example' })(response);
}

/* The answer of POST /verify. */
const verify = (server, assertion, audience) => server.request('POST', '/verify', {
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ assertion, audience }).toString(),
});

module.exports = { listen, startVerifier, json, believe, verify };
