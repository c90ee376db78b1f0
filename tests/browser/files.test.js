/* The files app in two browsers against the real server: what one puts in, the other takes out. */
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { test, before, after } = require('node:test');
const { chromium } = require('playwright-core');
const { startServer } = require('../http/lib/server.js');

const FILES = path.resolve(__dirname, '../../client/examples/files');
const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const LONG = 20000 * Number(process.env.TEST_PATIENCE || 1);

let browser;
let server;

before(async () => {
    browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: ['--disable-gpu', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])],
    });
    server = await startServer({ conf: `document_root ${FILES}\nmax_blob_bytes 1m\n` });
});

after(async () => {
    await browser.close();
    await server.stop();
});

async function openApp(email) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const problems = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.setDefaultTimeout(LONG);
    await page.goto(`${server.url}/#dev=${server.devToken}`);
    await page.fill('#email', email);
    await page.click('#login button');
    await page.waitForSelector('#app', { state: 'visible' });
    return { context, page, problems };
}

const there = ({ page }, name) =>
    page.waitForSelector(`#files li[data-state=there]:has-text(${JSON.stringify(name)})`);

async function takeOut({ page }, name) {
    const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.click(`#files button[aria-label=${JSON.stringify(`Download ${name}`)}]`),
    ]);
    return { name: download.suggestedFilename(), bytes: fs.readFileSync(await download.path()) };
}

test('a file put in on one device comes out of the other, byte for byte', async () => {
    const [one, two] = [await openApp('ann@example.org'), await openApp('ann@example.org')];
    const picture = { name: 'Zoë & "friends".png', mimeType: 'image/png', buffer: crypto.randomBytes(300000) };
    const text = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('plain\n') };
    await one.page.setInputFiles('#choose', [picture, text]);
    for (const { name, buffer } of [picture, text]) {
        await there(one, name);
        await there(two, name);
        const taken = await takeOut(two, name);
        assert.ok(taken.bytes.equals(buffer), name);
        assert.equal(taken.name.replace(/[_"]/g, ''), name.replace(/"/g, ''));
    }
    await two.page.click('#files button[aria-label="Delete notes.txt"]');
    await one.page.waitForFunction(() => document.querySelectorAll('#files li').length === 1);
    for (const { context, problems } of [one, two]) {
        assert.deepEqual(problems, []);
        await context.close();
    }
});

test('a file that is too large is said to be, and is not in the list', async () => {
    const one = await openApp('bob@example.org');
    await one.page.setInputFiles('#choose',
        { name: 'film.bin', mimeType: 'application/octet-stream', buffer: crypto.randomBytes(2 << 20) });
    await one.page.waitForFunction(() => /film\.bin was not sent/.test(document.querySelector('#problem').textContent));
    await one.page.waitForFunction(() => document.querySelectorAll('#files li').length === 0);
    await one.context.close();
});

test('the list is there without a network, and a stranger sees none of it', async () => {
    const one = await openApp('cat@example.org');
    await one.page.setInputFiles('#choose', { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('a') });
    await there(one, 'a.txt');
    await one.context.setOffline(true);
    await one.page.waitForFunction(() => /Offline/.test(document.querySelector('#status').textContent));
    await there(one, 'a.txt');
    await one.context.close();
    const other = await openApp('dan@example.org');
    await other.page.waitForFunction(() => /In step/.test(document.querySelector('#status').textContent));
    assert.equal(await other.page.locator('#files li').count(), 0);
    await other.context.close();
});
