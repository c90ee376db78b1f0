/* Clients do at random what clients may do, to one server and to several on one directory, while these are
 * killed; then the history of all they asked and got is checked (lib/history.js).
 *
 * HISTORY_ROUNDS says how many histories of each kind (1), HISTORY_SEED which; both are printed. */
'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { record, describe } = require('./lib/world.js');
const { checkHistory } = require('./lib/history.js');

const ROUNDS = Number(process.env.HISTORY_ROUNDS || 1);
const SEED = Number(process.env.HISTORY_SEED || Date.now() % 1000000);

const kinds = [
    { name: 'one server', servers: 1, kills: false },
    { name: 'one server, killed', servers: 1, kills: true },
    { name: 'four servers', servers: 4, kills: false },
    { name: 'four servers, killed', servers: 4, kills: true },
];
for (const kind of kinds) {
    test(`${kind.name}: no history refutes a promise (${ROUNDS} from seed ${SEED})`, async (t) => {
        for (let round = 0; round < ROUNDS; round++) {
            const events = await record(SEED + round, kind);
            const violations = checkHistory(events);
            assert.deepEqual(violations.slice(0, 5).map(({ rule, what }) => `${rule}: ${what}`), [],
                `seed ${SEED + round}`);
            t.diagnostic(`seed ${SEED + round}: ${describe(events)}`);
        }
    });
}
