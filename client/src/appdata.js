/* The classic way to keep data: the app's own functions, and a small storage beside them for what the
 * client remembers. Position and objects are saved one after the other, objects first: after a crash
 * in between the same objects come once more. A store that saves both at once (outbox.js) has the
 * same five functions. */
import {ask, noop} from './tools.js';

const STATE_KEY = 'syncState';

export class AppData {
  constructor(appData, storage) {
    this._app = appData;
    this._storage = storage;
  }

  _load() {
    return new Promise(resolve => {
      // the classic storage calls back with the value alone; (error, value) is understood too
      this._storage.get(STATE_KEY, (...found) => resolve(found[found.length - 1]));
    });
  }

  _save(state) { return ask(done => this._storage.put({[STATE_KEY]: state}, done)); }

  /* {objects} that the server may not have yet. */
  _pending() {
    return new Promise((resolve, reject) => {
      this._app.getPendingObjects((error, objects) => {
        if (Array.isArray(error)) resolve({objects: error}); // callback(objects), as many apps have it
        else if (error) reject(error);
        else resolve({objects: objects || []});
      });
    });
  }

  async _received(entries, state) {
    const objects = entries.map(entry => entry[1]);
    if (objects.length) await this._app.objectsReceived(objects, noop);
    await this._save(state);
  }

  async _saved(entries, state) {
    await this._app.objectsSaved(entries.map(entry => entry.object), noop);
    await this._save(state);
  }

  async _reset(state) {
    if (this._app.resetSaved) await this._app.resetSaved(noop);
    await this._save(state);
  }
}
