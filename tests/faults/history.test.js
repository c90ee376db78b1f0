/* Clients do at random what clients may do, to one server and to several on one directory, while these are
 * killed; then the history of all they asked and got is checked (lib/history.js).
 *
 * HISTORY_ROUNDS says how many histories of each kind (1), HISTORY_SEED which; both are printed.
 * A seed gives clients that choose in the same way; who comes first is up to the machine. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { record, describe } = require('./lib/world.js');
const { checkHistory } = require('./lib/history.js');

const ROUNDS = Number(process.env.HISTORY_ROUNDS || 1);
const SEED = Number(process.env.HISTORY_SEED || Date.now() % 1000000);
const SHOWN_MOST = 5;

/* No two runs of a seed are the same: one that went wrong is kept. */
function keep(events) {
    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-refuted-')), 'history.json');
    fs.writeFileSync(file, events.map((event) => JSON.stringify(event)).join('\n'));
    return file;
}

const kinds = [
    { name: 'one server', servers: 1 },
    { name: 'one server, killed', servers: 1, kills: true },
    { name: 'four servers', servers: 4 },
    { name: 'four servers, killed', servers: 4, kills: true },
    { name: 'one server, many deletions', servers: 1, deletes: 30 },
    { name: 'four servers, many deletions', servers: 4, deletes: 30 },
];
for (const kind of kinds) {
    test(`${kind.name}: no history refutes a promise (${ROUNDS} from seed ${SEED})`, async (t) => {
        for (let round = 0; round < ROUNDS; round++) {
            const began = process.hrtime.bigint();
            const events = await record(SEED + round, kind);
            const ms = Number((process.hrtime.bigint() - began) / 1000000n);
            const found = checkHistory(events).map(({ rule, what }) => `${rule}: ${what}`);
            const kept = found.length > 0 && keep(events);
            assert.deepEqual(found.slice(0, SHOWN_MOST), [], `seed ${SEED + round}, all of it: ${kept}`);
            t.diagnostic(`seed ${SEED + round}: ${describe(events)}, ${ms} ms`);
        }
    });
}
