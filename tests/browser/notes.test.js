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
async function openApp(email, options = {}) {
    const context = await browser.newContext(options);
    const problems = [];
    const page = await openTab({ context, problems });

    if (email) await login(page, email);
    return { context, page, problems };
}

async function openTab({ context, problems }) {
    const page = await context.newPage();

    page.on('pageerror', (error) => problems.push(String(error)));
    page.setDefaultTimeout(LONG);
    await page.goto(`${server.url}/#dev=${server.devToken}`);
    return page;
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

/* The status line says this. */
function shows(page, text) {
    return page.waitForFunction(
        (wanted) => document.querySelector('#status .text').textContent.startsWith(wanted), text);
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

    await one.page.evaluate(() => navigator.serviceWorker.ready);
    await one.context.setOffline(true);
    await inState(one.page, 'offline');
    await addNote(one.page, 'on the train');
    await shows(one.page, 'Offline, 1 change waiting');
    await one.page.reload();
    assert.deepEqual(await texts(one.page, 1), ['on the train']);
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

test('two tabs show the same at once, offline too, and one of them talks to the server', async () => {
    const one = await openApp('tabs@example.org');
    const two = await openTab(one);
    const talked = new Set();

    await inState(two, 'synced');
    for (const page of [one.page, two]) {
        page.on('request', (request) => request.url().includes('/127.0.0.1/') && talked.add(page));
    }
    await addNote(two, 'from the second tab');
    assert.deepEqual(await texts(one.page, 1), ['from the second tab']);
    await allSent(one.page);
    await allSent(two);
    await one.context.setOffline(true);
    await addNote(one.page, 'offline');
    assert.deepEqual(await texts(two, 2), ['from the second tab', 'offline']);
    await shows(one.page, 'Offline, 1 change waiting');
    await shows(two, 'Offline, 1 change waiting');
    await one.context.setOffline(false);
    await allSent(one.page);
    await allSent(two);
    assert.equal(talked.size, 1);
    await one.page.click('#logout');
    await two.waitForSelector('#login', { state: 'visible' });
    assert.deepEqual(one.problems, []);
    await one.context.close();
});

test('a note that was edited offline on two devices has the lines of both', async () => {
    const one = await openApp('both@example.org');
    const two = await openApp('both@example.org');

    await addNote(one.page, 'milk');
    await texts(two.page, 1);
    for (const { context } of [one, two]) await context.setOffline(true);
    await one.page.locator('li.note textarea').fill('milk\nbread');
    await two.page.locator('li.note textarea').fill('milk\ntea');
    for (const { page } of [one, two]) await shows(page, 'Offline, 1 change waiting');
    await one.context.setOffline(false);
    await allSent(one.page);
    await two.context.setOffline(false);
    for (const { page } of [one, two]) {
        await page.waitForFunction(
            () => document.querySelector('li.note textarea').value === 'milk\ntea\nbread');
    }
    assert.deepEqual([...one.problems, ...two.problems], []);
    await one.context.close();
    await two.context.close();
});

test('what is written before the first login is the user\'s then', async () => {
    const one = await openApp();

    await addNote(one.page, 'before there was an account');
    await shows(one.page, 'On this device only');
    await login(one.page, 'first@example.org');
    await allSent(one.page);
    const two = await openApp('first@example.org');
    assert.deepEqual(await texts(two.page, 1), ['before there was an account']);
    await one.context.close();
    await two.context.close();
});

test('after a logout nobody sees the notes, and the next user has his own', async () => {
    const { context, page, problems } = await openApp('ann-here@example.org');

    await addNote(page, 'ann\'s');
    await allSent(page);
    await page.click('#logout');
    await shows(page, 'Logged out');
    assert.equal(await page.locator('li.note').isVisible(), false);
    await page.reload();
    await shows(page, 'Logged out');
    assert.equal(await page.locator('#desk').isVisible(), false);
    await login(page, 'bob-here@example.org');
    assert.deepEqual(await texts(page, 0), []);
    assert.ok(await page.locator('#empty').isVisible());
    await page.click('#logout');
    await login(page, 'ann-here@example.org');
    assert.deepEqual(await texts(page, 1), ['ann\'s']);
    assert.deepEqual(problems, []);
    await context.close();
});

test('a deleted note is back with Undo, on the other device, too', async () => {
    const one = await openApp('undo@example.org');
    const two = await openApp('undo@example.org');

    await addNote(one.page, 'dear to me');
    await texts(two.page, 1);
    await one.page.click('li.note .delete');
    await texts(two.page, 0);
    await one.page.click('#undo');
    assert.deepEqual(await texts(one.page, 1), ['dear to me']);
    assert.deepEqual(await texts(two.page, 1), ['dear to me']);
    await one.context.close();
    await two.context.close();
});

test('the other notes and the caret stay where they are while notes come and go', async () => {
    const one = await openApp('caret@example.org');
    const two = await openApp('caret@example.org');

    for (const text of ['old', 'mine', 'new']) await addNote(one.page, text);
    await texts(two.page, 3);
    const field = one.page.locator('li.note textarea').nth(1);
    await field.click();
    await field.press('Home');
    await two.page.locator('li.note .delete').first().click();
    await texts(one.page, 2);
    await addNote(two.page, 'newest');
    await texts(one.page, 3);
    await one.page.keyboard.type('still ');
    await two.page.waitForFunction(() => [...document.querySelectorAll('li.note textarea')]
        .some((area) => area.value === 'still mine'));
    await one.context.close();
    await two.context.close();
});

test('notes that were deleted on the server stay here, and can be uploaded again', async () => {
    const one = await openApp('gone@example.org');

    await addNote(one.page, 'survivor');
    await allSent(one.page);
    const { status } = await one.page.evaluate(async () => {
        const url = sync.authenticateUrl(`/${location.hostname}/gone%40example.org/notes?delete`);
        return { status: (await fetch(url, { method: 'POST', body: '{"reason": "spring cleaning"}' })).status };
    });
    assert.equal(status, 200);
    await one.page.waitForSelector('#restore', { state: 'visible' });
    assert.match(await one.page.textContent('#problem p'), /deleted on the server \(“spring cleaning”\)/);
    assert.deepEqual(await texts(one.page, 1), ['survivor']);
    await one.page.click('#restore');
    await allSent(one.page);
    await one.page.waitForSelector('#problem', { state: 'hidden' });
    const two = await openApp('gone@example.org');
    assert.deepEqual(await texts(two.page, 1), ['survivor']);
    await one.context.close();
    await two.context.close();
});

for (const [name, width] of [['small phone', 320], ['phone', 390], ['desktop', 1200]]) {
    test(`on a ${name} nothing is wider than the screen`, async () => {
        const one = await openApp(`${width}.a.long.address.of.someone@department.example.org`,
            { viewport: { width, height: 700 } });
        await addNote(one.page, `${'long'.repeat(40)} words, and short ones`);
        const overflow = () => one.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(await overflow() <= 0);
        await one.page.click('li.note .delete');
        await one.page.waitForSelector('#toast', { state: 'visible' });
        assert.ok(await overflow() <= 0);
        await one.page.click('#undo');
        await allSent(one.page);
        await one.context.close();
    });
}
