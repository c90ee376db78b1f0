/* The page that the link in a mail leads to, in a browser. SCREENSHOTS=DIRECTORY keeps what it looks
 * like. */
'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { test, before, after } = require('node:test');
const { chromium } = require('playwright-core');
const { startMailbox } = require('../http/lib/mailbox.js');
const { startServer } = require('../http/lib/server.js');

const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const QUIET = ['--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-gpu'];
const LONG = 20000 * Number(process.env.TEST_PATIENCE || 1);

let browser;
let mailbox;
let server;

before(async () => {
    browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: process.getuid() === 0 ? [...QUIET, '--no-sandbox'] : QUIET,
    });
    mailbox = await startMailbox();
    server = await startServer({ conf: `dev_login off
        mail_server ${mailbox.url}
        mail_from login@sync.example
        public_url https://sync.example
        mail_codes_per_user 0` });
});

after(async () => {
    await browser.close();
    await server.stop();
    await mailbox.close();
});

async function askForCode() {
    const { json } = await server.request('POST', '/verify/email', {
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ email: 'ann@example.org', audience: 'https://notes.example' }),
    });
    const { text } = await mailbox.next();
    return { id: json.id, code: text.match(/^ {4}(\d{8})\r$/m)[1],
        link: server.url + text.match(/^https:\/\/sync\.example(\S+)\r$/m)[1] };
}

/* Everything that the browser complains of, a broken policy too. */
async function open(link, options) {
    const context = await browser.newContext({ viewport: { width: 800, height: 600 }, ...options });
    const page = await context.newPage();
    const problems = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => problems.push(message.text()));
    page.setDefaultTimeout(LONG);
    const response = await page.goto(link);
    return { context, page, problems, status: response.status() };
}

async function look(page, name) {
    if (process.env.SCREENSHOTS) {
        await page.screenshot({ path: path.join(process.env.SCREENSHOTS, `${name}.png`) });
    }
}

for (const [name, options] of Object.entries({
    light: {}, dark: { colorScheme: 'dark' }, phone: { viewport: { width: 360, height: 640 } },
    'without scripts': { javaScriptEnabled: false } })) {
    test(`a button, then the code: ${name}`, async () => {
        const { id, code, link } = await askForCode();
        const { context, page, problems } = await open(link, options);
        const button = page.getByRole('button', { name: 'Show the code' });
        await button.waitFor();
        assert.match(await page.textContent('main'), /log in at https:\/\/notes\.example with the address ann@example\.org/);
        assert.ok(!(await page.content()).includes(code.slice(4)));
        await look(page, `button-${name}`);
        await button.click();
        const shown = page.locator('.code');
        await shown.waitFor();
        assert.equal(await shown.textContent(), code, 'whole, so that it can be copied');
        await look(page, `code-${name}`);
        if (options.javaScriptEnabled !== false) {
            const { style, wide } = await shown.evaluate((element) => ({
                style: getComputedStyle(element).borderTopStyle,
                wide: document.documentElement.scrollWidth > document.documentElement.clientWidth }));
            assert.equal(style, 'dashed', 'the policy lets the style through');
            assert.equal(wide, false);
        }
        const { json } = await server.request('POST', '/verify', {
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ assertion: `mail:${id}:${code}`, audience: 'https://notes.example' }),
        });
        assert.equal(json.status, 'okay');
        assert.deepEqual(problems, []);
        await context.close();
    });
}

test('a link that is over', async () => {
    const { link } = await askForCode();
    const { context, page, status } = await open(link.slice(0, -2));
    assert.equal(status, 404);
    await page.getByText('This link is no longer good').waitFor();
    await look(page, 'end');
    await context.close();
});

/* The script of docs/login.md, "In your app". */
test('an app asks for a code and logs in with it', async () => {
    const { context, page } = await open(`${server.url}/info`);
    await page.addScriptTag({ url: `${server.url}/syncclient.js` });
    await page.evaluate(() => {
        window.authenticator = new window.Sync.TokenAuthenticator('/verify', null,
            (asked) => asked && `mail:${asked.id}:${asked.code}`);
        window.askForCode = async (email) => {
            const response = await fetch('/verify/email', {
                method: 'POST',
                headers: { 'Content-Type': 'application/json' },
                body: JSON.stringify({ email, audience: window.location.origin }),
            });
            const answer = await response.json();
            if (!response.ok) throw new Error(answer.message);
            return answer.id;
        };
        window.useCode = (id, code) =>
            window.authenticator.request({ id, code: code.replace(/\D/g, '') });
    });
    const id = await page.evaluate(() => window.askForCode('ann@example.org'));
    const code = (await mailbox.next()).text.match(/^ {4}(\d{8})\r$/m)[1];
    await assert.rejects(page.evaluate((asked) => window.useCode(asked, '0'), id), /eight digits/);
    const email = await page.evaluate(([asked, digits]) => window.useCode(asked, digits),
        [id, ` ${code.slice(0, 4)} ${code.slice(4)}`]);
    assert.equal(email, 'ann@example.org');
    await context.close();
});
