/* The app that is written against the classic API alone, in two browsers against the real server. */
'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { test, before, after } = require('node:test');
const { chromium } = require('playwright-core');
const { startServer } = require('../http/lib/server.js');

const TODO = path.resolve(__dirname, '../../client/examples/todo-classic');
const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const LONG = 20000 * Number(process.env.TEST_PATIENCE || 1);

let browser;
let server;

before(async () => {
    browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: ['--disable-gpu', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])],
    });
    server = await startServer({ conf: `document_root ${TODO}\n` });
});

after(async () => {
    await browser.close();
    await server.stop();
});

async function openApp(email, viewport) {
    const context = await browser.newContext({ viewport });
    const page = await context.newPage();
    const problems = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => { if (message.type() === 'error') problems.push(message.text()); });
    page.on('dialog', (dialog) => dialog.accept(email));
    page.setDefaultTimeout(LONG);
    await page.goto(`${server.url}/#dev=${server.devToken}`);
    return { context, page, problems };
}

async function login({ page }) {
    await page.click('#login');
    await page.waitForFunction(() => document.querySelector('#login').textContent === 'Log out');
}

async function add({ page }, text) {
    await page.fill('#text', text);
    await page.press('#text', 'Enter');
}

/* What the page shows, "x" before what is done; resolves when it is that. */
function shows({ page }, wanted) {
    return page.waitForFunction((text) => [...document.querySelectorAll('#items li')]
        .map((line) => (line.querySelector('input').checked ? 'x ' : '') + line.querySelector('span').textContent)
        .join() === text, wanted.join());
}

const inStep = ({ page }) => page.waitForFunction(() =>
    document.querySelector('#status').textContent === 'In step with the server' &&
    Object.values(JSON.parse(localStorage.getItem('todo::items') || '{}')).every((item) => item.saved));

test('what one adds, checks and deletes, the other has, offline edits too', async () => {
    const one = await openApp('ann@example.org');
    await add(one, 'milk');
    await shows(one, ['milk']); /* without a login */
    await login(one);
    await inStep(one);

    const two = await openApp('ann@example.org');
    await login(two);
    await shows(two, ['milk']);
    await two.context.setOffline(true);
    await two.page.check('#items input');
    await add(two, 'bread');
    await shows(two, ['x milk', 'bread']);
    await two.context.setOffline(false);
    await two.page.reload();
    await inStep(two);

    await one.page.reload();
    await shows(one, ['x milk', 'bread']);
    await one.page.click('#items li:first-child button');
    await inStep(one);
    await two.page.reload();
    await shows(two, ['bread']);

    for (const { context, problems } of [one, two]) {
        assert.deepEqual(problems.filter((text) => !/ERR_INTERNET_DISCONNECTED/.test(text)), []);
        await context.close();
    }
});

test('another user has a list of his own', async () => {
    const bob = await openApp('bob@example.org');
    await login(bob);
    await bob.page.waitForFunction(() => document.querySelector('#status').textContent === 'In step with the server');
    await shows(bob, []);
    await bob.context.close();
});
