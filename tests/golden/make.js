/* usage: node tests/golden/make.js DIRECTORY
 *
 * Makes the golden directories anew. Only for a new version of the format, into a new directory:
 * those that are there are what earlier versions have left, which nobody can make any more. */
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { crc32c } = require('./crc32c.js');
const { readJournals } = require('./reader.js');
const { scenes, open, CONF, startServer } = require('./scenes.js');

/* Of no use to who opens it: sockets, counters of running servers, and 1 MiB of zeros. */
const needless = (name) => /^(news|\.?reserve)$/.test(path.basename(name));

async function expectationOf(dataDir) {
    const copy = `${dataDir}.copy`;
    const expected = {};
    fs.cpSync(dataDir, copy, { recursive: true });
    const server = await startServer({ conf: CONF, dataDir: copy, expectErrors: [/./] });
    for (const bucket of ['notes', 'deep/er/bucket name', 'deleted', 'anew', 'new', 'other']) {
        const { status, json } = await open(server, bucket).get({ since: 0 });
        if (status === 200 && (json.objects?.length || json.collection_deleted)) {
            expected[bucket] = json;
        }
    }
    await server.stop();
    fs.rmSync(copy, { recursive: true });
    return expected;
}

/* As if the machine had been started anew since. */
function forgetBoot(file) {
    const bytes = fs.readFileSync(file);
    bytes.writeBigUInt64LE(1n, 48);
    bytes.writeUInt32LE(crc32c(bytes.subarray(0, 60)), 60);
    fs.writeFileSync(file, bytes);
}

async function make(directory, name) {
    const dataDir = path.join(directory, name, 'data');
    fs.mkdirSync(dataDir, { recursive: true });
    await scenes[name]((options) => startServer({ conf: CONF, dataDir, keepData: true, ...options }));
    for (const file of fs.readdirSync(dataDir, { recursive: true })) {
        if (needless(file)) fs.rmSync(path.join(dataDir, file));
    }
    for (const { file } of readJournals(dataDir).segments) forgetBoot(file);
    fs.writeFileSync(path.join(directory, name, 'expected.json'),
        `${JSON.stringify(await expectationOf(dataDir), null, 1)}\n`);
}

async function main(directory) {
    if (!directory) throw new Error('usage: node tests/golden/make.js DIRECTORY');
    if (fs.existsSync(directory)) throw new Error(`${directory} is there already`);
    for (const name of Object.keys(scenes)) {
        await make(path.resolve(directory), name);
        process.stdout.write(`${name}\n`);
    }
}

main(process.argv[2]).catch((error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
});
