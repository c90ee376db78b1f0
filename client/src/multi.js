/* One app on several servers at once: each gets what the others have. To move from one server to another,
 * add the new one, wait until it has everything, and remove the old one.
 *
 *   const multi = new Sync.Multi([{serverUrl: 'https://a.example', ...}, {serverUrl: 'https://b.example', ...}],
 *     new Sync.IndexedDBStore('notes'));
 *
 * Each server has a Sync of its own, with its own login. The first one's says whose objects the store
 * shows. */
import {failure} from './tools.js';

export const makeMulti = Sync => class Multi {
  constructor(servers, store) {
    if (!store?.isStore) throw new Error('Sync.Multi needs an IndexedDBStore');
    this.store = store;
    this.syncs = [];
    for (const options of servers) this.add(options);
  }

  /* One more server: options as for Sync. Returns its Sync. */
  add(options) {
    const sync = new Sync(this.store, {owns: this.syncs.length === 0, ...options});
    this.syncs.push(sync);
    return sync;
  }

  /* Stops using a server. Fails while another one lacks something, unless {force}. */
  async remove(sync, options) {
    const rest = this.syncs.filter(other => other !== sync);
    const waiting = await this.store.countPending(rest.map(other => other.target));
    if (waiting && !options?.force) {
      throw failure('not_moved', `${waiting} objects are not on the other servers yet`);
    }
    await sync.close();
    this.syncs = rest;
    if (rest.length) rest[0].owns = true;
    await this.store.forget(sync.target);
  }

  /* Syncs with all; what came from the last goes to the first. */
  async syncNow(options) {
    for (const sync of [...this.syncs, ...this.syncs.slice(0, -1)]) await sync.syncNow(options);
  }

  /* One status a server, see Sync. */
  status() { return this.syncs.map(sync => sync.status()); }

  close() { for (const sync of this.syncs) sync.close(); }
};
