/* Data directories as servers leave them, with what must be read from them for ever. `make.js` has
 * made tests/golden/1/ of these; golden.test.js opens them. */
'use strict';

const assert = require('node:assert/strict');
const { startServer, collection } = require('../http/lib/server.js');

const EMAIL = 'ann@example.org', DOMAIN = 'app.example';
const HEADERS = { 'X-User': `${EMAIL}/${DOMAIN}` };
const CONF = 'dev_login off\ntrusted_user_header X-User\ntrusted_proxies 127.0.0.1\n' +
    'checkpoint_interval 1h\naccess_log off\n';

const objects = {
    first: [{ id: 'a', data: 'milk' }, { id: 7, type: 'number', data: [1, 2.5e3, -0] },
        { data: 'without id' }],
    second: [{ id: 'a', data: { text: 'zwölf Bäume 🌲', nothing: null } },
        { id: 'gone', type: 'note', deleted: true },
        { id: 'late', type: 'note', expires: 4102444800, data: '' }],
    third: [{ id: 'b', data: 'x'.repeat(700) }],
};

const open = (server, bucket) => collection(server, { email: EMAIL, domain: DOMAIN, bucket,
    headers: HEADERS });

/* Behind all that is there; returns the counters. */
async function post(notes, array, params = {}) {
    const { objects: seen = [] } = (await notes.get({ since: 0 })).json;
    const answer = await notes.post({ since: seen.at(-1)?.[0] ?? 0, ...params }, array);
    assert.ok(answer.json?.object_counters, `${notes.path}: ${answer.text}`);
    return answer.json.object_counters;
}

async function postAll(notes) {
    await post(notes, objects.first);
    await post(notes, objects.second, { client: 'phone', seq: 1 });
    await post(notes, objects.third, { client: 'phone', seq: 2 });
}

/* Each gets a way to start servers on its directory, and leaves none running. */
const scenes = {
    /* Stopped well: no journal, marks at the ends. */
    async stopped(start) {
        const server = await start();
        await postAll(open(server, 'notes'));
        await postAll(open(server, 'deep/er/bucket name'));
        await postAll(open(server, 'deleted'));
        await open(server, 'deleted').del({ reason: 'moved' });
        await postAll(open(server, 'anew'));
        await open(server, 'anew').del();
        await post(open(server, 'anew'), objects.first);
        await server.stop();
    },
    /* Killed after a checkpoint: marks below the ends, and a journal. */
    async killed(start) {
        let server = await start();
        await postAll(open(server, 'notes'));
        await postAll(open(server, 'deleted'));
        await server.stop();
        server = await start();
        await post(open(server, 'notes'), objects.third, { client: 'tablet', seq: 5 });
        await open(server, 'deleted').del({ reason: 'moved' });
        await postAll(open(server, 'new'));
        await server.kill();
    },
    /* Two servers, both killed. */
    async several(start) {
        const servers = [await start({ args: ['-n', '1'] }), await start({ args: ['-n', '2'] })];
        await post(open(servers[0], 'notes'), objects.first);
        await post(open(servers[1], 'notes'), objects.second, { client: 'phone', seq: 1 });
        await post(open(servers[0], 'notes'), objects.third);
        await postAll(open(servers[1], 'other'));
        for (const server of servers) await server.kill();
    },
    /* Killed with a relaxed journal. Wherever this is opened the machine has been started since. */
    async relaxed(start) {
        let server = await start();
        await postAll(open(server, 'notes'));
        await server.stop();
        server = await start({ conf: `${CONF}durability off\n` });
        await post(open(server, 'notes'), objects.third);
        await postAll(open(server, 'new'));
        await server.kill();
    },
};

module.exports = { scenes, objects, open, post, CONF, startServer };
