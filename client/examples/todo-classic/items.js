/* The items, in localStorage: what there is, and what of it the server has. This is what Sync asks and
 * tells: an appData with all its methods.
 *
 *     var items = new Items(changed);     changed() is called when others have changed something */
function Items(changed) {
  'use strict';
  this.changed = changed;
  this.onupdate = null; // set by Sync: to be called after each change
  this.onstatus = null;
  this.all = JSON.parse(localStorage.getItem('todo::items') || '{}');
}

Items.prototype = {

  /* ---- For the page ---- */

  list: function () {
    var all = this.all;
    return Object.keys(all)
      .map(function (id) { return all[id].object; })
      .filter(function (object) { return !object.deleted; })
      .sort(function (a, b) { return a.data.created - b.data.created || (a.id < b.id ? -1 : 1); });
  },

  put: function (object) {
    this.all[object.id] = {object: object, saved: false};
    this.store();
    if (this.onupdate) this.onupdate();
  },

  add: function (text) {
    var id = Date.now().toString(36) + Math.random().toString(36).slice(2);
    this.put({type: 'item', id: id, data: {text: text, done: false, created: Date.now()}});
  },

  check: function (id, done) {
    var data = this.all[id].object.data;
    this.put({type: 'item', id: id, data: {text: data.text, done: done, created: data.created}});
  },

  remove: function (id) {
    this.put({type: 'item', id: id, deleted: true});
  },

  store: function () {
    localStorage.setItem('todo::items', JSON.stringify(this.all));
  },

  /* ---- For Sync ---- */

  getPendingObjects: function (callback) {
    var all = this.all;
    callback(null, Object.keys(all)
      .filter(function (id) { return !all[id].saved; })
      .map(function (id) { return all[id].object; }));
  },

  /* Only what is still as it was when it was sent: the user may have gone on. */
  objectsSaved: function (objects) {
    for (var i = 0; i < objects.length; i++) {
      var item = this.all[objects[i].id];
      if (!item || JSON.stringify(item.object) !== JSON.stringify(objects[i])) continue;
      item.saved = true;
      if (item.object.deleted) delete this.all[objects[i].id];
    }
    this.store();
  },

  /* What is changed here and not sent yet wins. */
  objectsReceived: function (objects) {
    for (var i = 0; i < objects.length; i++) {
      var object = objects[i], mine = this.all[object.id];
      if (mine && !mine.saved) continue;
      if (object.deleted) delete this.all[object.id];
      else this.all[object.id] = {object: object, saved: true};
    }
    this.store();
    this.changed();
  },

  resetSaved: function () {
    for (var id in this.all) this.all[id].saved = false;
    this.store();
  },

  reportObjectErrors: function (errors) {
    this.status({error: errors[0].error.message || 'refused by the server'});
  },

  status: function (message) {
    if (this.onstatus) this.onstatus(message);
  }
};
