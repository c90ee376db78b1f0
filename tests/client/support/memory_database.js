/* What client/src/indexeddb.js is for the store, in memory: transactions that happen whole or not at all,
 * one after another. A test can have the next ones fail, before or after they are on disk. */

const KEYS = {objects: ['owner', 'key'], outbox: ['owner', 'target', 'key'], state: ['owner', 'target']};

class MemoryDisk {
  constructor() { this.wipe(); }
  wipe() { this.tables = {objects: new Map(), outbox: new Map(), state: new Map()}; }
  snapshot() {
    const copy = new MemoryDisk();
    for (const name of Object.keys(KEYS)) copy.tables[name] = new Map(this.tables[name]);
    return copy;
  }
}

class MemoryDatabase {
  constructor(disk) {
    this.disk = disk || new MemoryDisk();
    this.failures = []; // 'before' or 'after': what the next writes meet
    this.dead = false;  // the tab has crashed: nothing it does reaches the disk
    this.last = Promise.resolve();
  }

  _read(work) { return this.queue(() => work(new MemoryTables(this.disk.tables))); }

  _write(work) {
    return this.queue(async () => {
      if (this.dead) return new Promise(() => {}); // what a crashed tab waits for never comes
      const copies = {};
      for (const name of Object.keys(KEYS)) copies[name] = new Map(this.disk.tables[name]);
      const result = await work(new MemoryTables(copies));
      const failure = this.failures.shift();
      if (failure === 'before') throw new Error('the disk is full');
      this.disk.tables = copies;
      if (failure === 'after') throw new Error('the tab died');
      return result;
    });
  }

  queue(work) {
    const result = this.last.then(work);
    this.last = result.catch(() => null);
    if (this.dead) this.last = Promise.resolve();
    return result;
  }

  close() {}
}

class MemoryTables {
  constructor(tables) { this.tables = tables; }

  get(name, key) {
    const text = this.tables[name].get(JSON.stringify(key));
    return Promise.resolve(text === undefined ? undefined : JSON.parse(text));
  }

  list(name, start) {
    const whole = JSON.stringify(start);
    const prefix = whole.slice(0, -1) + ',';
    return Promise.resolve([...this.tables[name]].filter(([key]) => key === whole || key.startsWith(prefix))
      .map(([, text]) => JSON.parse(text)));
  }

  async count(name, start) { return (await this.list(name, start)).length; }

  put(name, row) { this.tables[name].set(this.key(name, row), JSON.stringify(row)); }
  delete(name, row) { this.tables[name].delete(this.key(name, row)); }
  key(name, row) { return JSON.stringify(KEYS[name].map(part => row[part])); }
}

export {MemoryDatabase, MemoryDisk};
