/* The demo app in two browsers against the real server: what a newcomer does first. */
'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { test, before, after } = require('node:test');
const { chromium } = require('playwright-core');
const { startServer } = require('../http/lib/server.js');

const NOTES = path.resolve(__dirname, '../../client/examples/notes');
const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const QUIET = ['--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-gpu'];
const LONG = 20000 * Number(process.env.TEST_PATIENCE || 1);

let browser;
let server;

before(async () => {
    browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: process.getuid() === 0 ? [...QUIET, '--no-sandbox'] : QUIET,
    });
    server = await startServer({ conf: `document_root ${NOTES}\n` });
});

after(async () => {
    await browser.close();
    await server.stop();
});

/* A browser of its own: storage, service worker and all. */
async function openApp(email) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const problems = [];

    page.on('pageerror', (error) => problems.push(String(error)));
    page.setDefaultTimeout(LONG);
    await page.goto(`${server.url}/#dev=${server.devToken}`);
    if (email) await login(page, email);
    return { context, page, problems };
}

async function login(page, email) {
    await page.fill('form#login input[name=email]', email);
    await page.click('form#login button');
    await inState(page, 'synced');
}

function inState(page, state) {
    return page.waitForSelector(`#status[data-state=${state}]`, { state: 'attached' });
}

async function addNote(page, text) {
    const before = await page.locator('li.note').count();

    await page.fill('#new-note textarea', text);
    await page.click('#add');
    await texts(page, before + 1);
}

/* The page's own count is of use once it shows the change, as addNote waits for. */
function allSent(page) {
    return page.waitForSelector('#status[data-state=synced][data-pending="0"]',
        { state: 'attached' });
}

/* What the notes say, once there are `count` of them. */
async function texts(page, count) {
    await page.waitForFunction((n) => document.querySelectorAll('li.note').length === n, count);
    const found = await page.$$eval('li.note textarea', (areas) => areas.map((area) => area.value));
    return found.sort();
}

test('what one browser adds and deletes the other sees', async () => {
    const ann = await openApp('ann@example.org');
    const bob = await openApp('ann@example.org');

    await addNote(ann.page, 'milk');
    await addNote(ann.page, 'bread');
    assert.deepEqual(await texts(bob.page, 2), ['bread', 'milk']);
    await bob.page.locator('li.note', { has: bob.page.locator('button.delete') }).first()
        .locator('button.delete').click();
    const left = await texts(bob.page, 1);
    assert.deepEqual(await texts(ann.page, 1), left);
    assert.deepEqual([...ann.problems, ...bob.problems], []);
    await ann.context.close();
    await bob.context.close();
});

test('an edit reaches the other browser', async () => {
    const one = await openApp('edit@example.org');
    const two = await openApp('edit@example.org');

    await addNote(one.page, 'first draft');
    await texts(two.page, 1);
    await one.page.locator('li.note textarea').fill('second draft');
    await one.page.locator('li.note textarea').blur();
    await two.page.waitForFunction(
        () => document.querySelector('li.note textarea').value === 'second draft');
    await one.context.close();
    await two.context.close();
});

test('another user sees nothing of it', async () => {
    const ann = await openApp('own@example.org');
    const eve = await openApp('eve@example.org');

    await addNote(ann.page, 'private');
    await allSent(ann.page);
    assert.deepEqual(await texts(eve.page, 0), []);
    await ann.context.close();
    await eve.context.close();
});

test('notes written offline are there after a reload, and reach the server later', async () => {
    const one = await openApp('offline@example.org');

    await one.page.evaluate(() => navigator.serviceWorker && navigator.serviceWorker.ready);
    await one.context.setOffline(true);
    await addNote(one.page, 'on the train');
    await inState(one.page, 'offline');
    await one.context.setOffline(false);
    await allSent(one.page);
    const two = await openApp('offline@example.org');
    assert.deepEqual(await texts(two.page, 1), ['on the train']);
    await one.context.close();
    await two.context.close();
});

test('nothing is lost when the server is killed and started again', async () => {
    const one = await openApp('kill@example.org');

    await addNote(one.page, 'before');
    await allSent(one.page);
    await server.kill();
    await addNote(one.page, 'while it was down');
    await inState(one.page, 'offline');
    await server.restart({ samePort: true });
    /* Dev login keeps its keys in memory only: the old token is of no use any more. */
    await inState(one.page, 'login');
    assert.deepEqual(await texts(one.page, 2), ['before', 'while it was down']);
    const two = await openApp('kill@example.org');
    assert.deepEqual(await texts(two.page, 1), ['before']);
    await one.page.goto('about:blank');
    await one.page.goto(`${server.url}/#dev=${server.devToken}`);
    await one.page.click('form#login button');
    await allSent(one.page);
    assert.deepEqual(await texts(two.page, 2), ['before', 'while it was down']);
    await one.context.close();
    await two.context.close();
});
