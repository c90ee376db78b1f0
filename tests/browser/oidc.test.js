/* Logging in by the whole redirect, with PKCE, at npm's oidc-provider: the example page, copied as a user
 * would, in a real browser. Two devices sync. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const nodeTest = require('node:test');
const { chromium } = require('playwright-core');
const { startServer } = require('../http/lib/server.js');
const { jose } = require('../http/lib/issuer.js');
const { listen } = require('../http/lib/verifier.js');

const EXAMPLE = path.resolve(__dirname, '../../client/examples/oidc.html');
const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const QUIET = ['--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-gpu'];
const LONG = 20000 * Number(process.env.TEST_PATIENCE || 1);

const { before, after } = nodeTest;
const test = (name, work) => nodeTest.test(name, { timeout: 3 * LONG }, work);

let issuer;
let server;
let app;
let browser;

/* Its own page asks for a name and takes any password. */
async function startProvider(redirect, algorithm) {
    const { default: Provider } = await import('oidc-provider');
    const web = http.createServer();
    const url = await listen(web);
    const { privateKey } = await jose.generateKeyPair(algorithm, { extractable: true });
    const key = { ...await jose.exportJWK(privateKey), use: 'sig', alg: algorithm };
    const rsa = await jose.generateKeyPair('RS256', { extractable: true });
    const provider = new Provider(url, {
        jwks: { keys: [key, { ...await jose.exportJWK(rsa.privateKey), use: 'sig', alg: 'RS256' }] },
        clients: [{ client_id: 'todo', redirect_uris: [redirect], token_endpoint_auth_method: 'none',
            grant_types: ['authorization_code'], response_types: ['code'],
            id_token_signed_response_alg: algorithm }],
        claims: { openid: ['sub'], email: ['email', 'email_verified'] },
        conformIdTokenClaims: false,
        clientBasedCORS: (context, origin) => origin === new URL(redirect).origin,
        cookies: { keys: ['for tests'] },
        pkce: { required: () => true },
        findAccount: (context, id) => ({ accountId: id,
            claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: true }) }),
    });
    web.on('request', provider.callback());
    return { url, stop: () => { web.closeAllConnections(); web.close(); } };
}

/* The app is a site of its own, as it would be; its policy is that of any plain web server. */
async function startApp() {
    const web = http.createServer((request, response) => {
        response.setHeader('Content-Type', 'text/html');
        response.end(app.page);
    });
    return { url: await listen(web), stop: () => { web.closeAllConnections(); web.close(); } };
}

before(async () => {
    app = await startApp();
    issuer = await startProvider(`${app.url}/`, 'ES256');
    server = await startServer({ conf: `dev_login off\noidc_issuer ${issuer.url} todo=${app.url} email\n` });
    app.page = fs.readFileSync(EXAMPLE, 'utf8').replace('https://id.example', issuer.url)
        .replace('https://sync.example', server.url);
    browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: process.getuid() === 0 ? [...QUIET, '--no-sandbox'] : QUIET,
    });
});

after(async () => {
    await browser.close();
    await server.stop();
    issuer.stop();
    app.stop();
});

async function openDevice() {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(LONG);
    await page.goto(`${app.url}/`);
    return page;
}

async function logIn(page, name) {
    await page.click('#login');
    await page.fill('input[name=login]', name);
    await page.fill('input[name=password]', 'any');
    await page.click('button[type=submit]');
    await page.click('button[type=submit]'); /* yes, it may know who I am */
    await page.waitForFunction((email) => document.getElementById('state').textContent === email,
        `${name}@example.org`);
}

const add = async (page, text) => {
    await page.fill('#text', text);
    await page.click('#add button');
};
const sees = (page, ...texts) => page.waitForFunction((wanted) => {
    const there = [...document.querySelectorAll('#list li')].map((item) => item.textContent).sort();
    return JSON.stringify(there) === JSON.stringify(wanted);
}, texts);

test('two devices log in by the redirect and sync; another user sees nothing of it', async () => {
    const [phone, laptop, other] = [await openDevice(), await openDevice(), await openDevice()];
    await logIn(phone, 'ann');
    assert.equal(phone.url(), `${app.url}/`, 'the code is not left in the address');
    await add(phone, 'milk');
    await logIn(laptop, 'ann');
    await sees(laptop, 'milk');
    await add(laptop, 'bread');
    await sees(phone, 'bread', 'milk');
    await logIn(other, 'bob');
    await add(other, 'tea');
    await sees(other, 'tea');
    await sees(phone, 'bread', 'milk');
    await phone.reload();
    await sees(phone, 'bread', 'milk');
    assert.equal(await phone.textContent('#state'), 'ann@example.org', 'it stays logged in');
    for (const page of [phone, laptop, other]) await page.context().close();
});

test('an answer that the page did not ask for logs nobody in', async () => {
    const page = await openDevice();
    await page.goto(`${app.url}/?code=stolen&state=guessed`);
    await page.waitForFunction(() => !location.search);
    assert.equal(await page.textContent('#state'), '');
    await page.context().close();
});
