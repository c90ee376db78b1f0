import test from 'node:test';
import assert from 'node:assert';
import {World, PATH} from './support/world.js';

const SEEDS = 60;
const STEPS = 80;

/* A small generator, so that a seed that fails can be run again. */
function randomFrom(seed) {
  let state = seed * 2654435761 >>> 0;
  return limit => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return Math.floor(state / 4294967296 * limit);
  };
}

/* What each device may do or suffer, the common things more often. */
const STEPS_OF_A_DEVICE = [
  ['edit', (world, device, pick) => device.app.edit('n' + pick(6), `edit ${++world.edits}`)],
  ['edit', (world, device, pick) => device.app.edit('n' + pick(6), `edit ${++world.edits}`)],
  ['remove', (world, device, pick) => device.app.remove('n' + pick(6))],
  ['sync', (world, device) => device.sync()],
  ['sync', (world, device) => device.sync()],
  ['sync', (world, device) => device.sync()],
  ['edit while the sync runs', async (world, device, pick) => {
    const syncing = device.sync();
    await null;
    device.app.edit('n' + pick(6), `edit ${++world.edits}`);
    return syncing;
  }],
  ['lost answer', (world, device) => { world.server.loseAnswer('POST'); return device.sync(); }],
  ['lost request', (world, device) => { world.server.refuseConnection('POST'); return device.sync(); }],
  ['lost read', (world, device) => { world.server.refuseConnection('GET'); return device.sync(); }],
  ['overload', (world, device) => { world.server.failNext('POST', 503); return device.sync(); }],
  ['expired login', (world, device) => { world.server.failNext('GET', 401); return device.sync(); }],
  ['reload', (world, device) => Object.assign(device, device.reload())],
];

async function runSeed(seed) {
  const world = new World();
  const pick = randomFrom(seed);
  const told = [];
  world.edits = 0;
  world.server.pageSize = 1 + pick(4);
  const devices = ['one', 'two', 'three'].map(name => world.device(name));
  for (let step = 0; step < STEPS; step++) {
    const [name, act] = STEPS_OF_A_DEVICE[pick(STEPS_OF_A_DEVICE.length)];
    const device = devices[pick(devices.length)];
    told.push(`${devices.indexOf(device)}: ${name}`);
    await act(world, device, pick);
    world.server.faults = []; // one that met no request is over
  }
  for (let round = 0; round < 3; round++) {
    for (const device of devices) assert.strictEqual((await device.sync()).error, null);
  }
  return {world, devices, told};
}

function live(objects) {
  const last = new Map(objects.map(object => [object.id, object]));
  return [...last.values()].filter(object => !object.deleted).map(object => object.data).sort();
}

test(`${SEEDS} random histories of three devices end with all equal and nothing lost or doubled`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const {world, devices, told} = await runSeed(seed);
    const where = `seed ${seed}: ${told.join(', ')}`;
    const stored = world.server.collection(PATH).entries.map(entry => entry[1]);
    for (const device of devices) {
      assert.deepStrictEqual(live([...device.app.objects.values()]), live(stored), where);
      assert.strictEqual(device.app.dirty.size, 0, where);
    }
    const texts = stored.filter(object => !object.deleted).map(object => object.data);
    assert.strictEqual(new Set(texts).size, texts.length, `stored twice, ${where}`);
    for (const object of devices.flatMap(device => device.app.saved.flat())) {
      assert.ok(object.deleted || texts.includes(object.data), `acknowledged but not stored, ${where}`);
    }
  }
});
