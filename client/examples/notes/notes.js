/* notes.js is the page: it shows the notes of the store, writes every keystroke back to it, and says
 * in one line how far the server has them. The sync client does the rest. */
'use strict';

const find = selector => document.querySelector(selector);
const LOCALE = 'en-GB'; // the page speaks English; a clock of 24 hours fits the short lines
const UNDO_MS = 8000;
const WAIT_SECONDS = 25; // the server may hold a request this long until there is news

const page = {
  store: null,
  authenticator: null,
  sync: null,
  owner: '',          // whose notes are shown
  expired: false,     // the login is no longer good; the notes stay on the screen
  syncing: false,
  offline: false,
  problem: null,      // the last sync's error, in words
  pending: 0,
  deleted: null,      // {id, text} that undo brings back
};
const otherTabs = 'BroadcastChannel' in window ? new BroadcastChannel('notes') : null;

/* ---- Notes ---------------------------------------------------------------------------------- */

async function showNotes() {
  const {notes, pending} = await page.store.list(page.owner);
  page.pending = pending;
  const list = find('#notes');
  const items = new Map(Array.from(list.children, item => [item.dataset.id, item]));
  let place = list.firstElementChild;
  for (const note of notes) {
    const item = items.get(note.id) || makeItem(note.id);
    items.delete(note.id);
    showNote(item, note);
    if (item === place) place = place.nextElementSibling;
    else list.insertBefore(item, place);
  }
  for (const item of items.values()) item.remove();
  find('#empty').hidden = notes.length > 0;
  showStatus();
}

function makeItem(id) {
  const item = find('#note').content.firstElementChild.cloneNode(true);
  item.dataset.id = id;
  item.writes = 0;
  const text = item.querySelector('textarea');
  text.addEventListener('input', () => editNote(item, text));
  item.querySelector('.delete').addEventListener('click', () => deleteNote(item, text.value));
  return item;
}

function showNote(item, note) {
  const text = item.querySelector('textarea');
  const time = item.querySelector('time');
  item.dataset.dirty = page.owner ? note.dirty : 0;
  // While a keystroke is on its way to the store, what is on the screen is newer than what is stored.
  if (!item.writes && text.value !== note.text) {
    const caret = text.selectionStart;
    text.value = note.text;
    if (document.activeElement === text) text.setSelectionRange(caret, caret);
  }
  fit(text);
  time.dateTime = new Date(note.edited).toISOString();
  time.textContent = dayAndTime(note.edited);
}

/* For browsers that do not size a text field by its content. */
function fit(text) {
  if (CSS.supports('field-sizing', 'content')) return;
  requestAnimationFrame(() => {
    text.style.height = 'auto';
    text.style.height = text.scrollHeight + 'px';
  });
}

async function addNote(event) {
  event.preventDefault();
  const text = find('#new-text');
  const value = text.value.trim();
  text.focus();
  if (!value) return;
  text.value = '';
  try {
    await page.store.add(page.owner, value);
  } catch (error) {
    text.value = value;
    return storeFailed(error);
  }
  changed();
}

async function editNote(item, text) {
  fit(text);
  item.writes++;
  try {
    await page.store.edit(page.owner, item.dataset.id, text.value);
  } catch (error) {
    storeFailed(error);
  } finally {
    item.writes--;
  }
  changed();
}

async function deleteNote(item, text) {
  const next = item.nextElementSibling || item.previousElementSibling;
  await page.store.remove(page.owner, item.dataset.id).catch(storeFailed);
  page.deleted = {id: item.dataset.id, text};
  showToast();
  await changed();
  // The focus must not fall back to the top of the page.
  if (document.activeElement === document.body) (next ? next.querySelector('.delete') : find('#new-text')).focus();
}

async function undo() {
  find('#toast').hidden = true;
  if (!page.deleted) return;
  const {id, text} = page.deleted;
  page.deleted = null;
  await page.store.edit(page.owner, id, text).catch(storeFailed);
  changed();
}

function showToast() {
  const toast = find('#toast');
  toast.hidden = false;
  clearTimeout(showToast.timer);
  showToast.timer = setTimeout(() => { toast.hidden = true; }, UNDO_MS);
}

function storeFailed(error) {
  showProblem('This browser could not store the change: ' + error.message);
}

/* The user changed something here. */
function changed() {
  if (page.sync) page.sync.scheduleImmediately();
  return redraw();
}

function redraw() {
  if (otherTabs) otherTabs.postMessage('changed');
  return showNotes();
}

/* ---- Status --------------------------------------------------------------------------------- */

function state() {
  if (!page.owner || page.expired) return 'login';
  if (page.syncing) return 'syncing';
  if (page.offline || !navigator.onLine) return 'offline';
  if (page.problem) return 'error';
  return page.pending ? 'pending' : 'synced';
}

function stateText(now) {
  const waiting = page.pending === 1 ? '1 change' : page.pending + ' changes';
  switch (now) {
    case 'login':
      if (page.expired) return page.pending ? `Log in again to sync ${waiting}` : 'Log in again to sync';
      return 'On this device only';
    case 'syncing': return 'Syncing…';
    case 'offline': return page.pending ? `Offline, ${waiting} waiting` : 'Offline, all changes synced';
    case 'error': return page.pending ? `${waiting} waiting: ${page.problem}` : sentence(page.problem);
    case 'pending': return `${waiting} waiting`;
    default: {
      const time = page.sync && page.sync.lastSyncTime();
      return time ? 'Synced at ' + clock(time) : 'Not synced yet';
    }
  }
}

function showStatus() {
  const now = state();
  const status = find('#status');
  status.dataset.state = now;
  status.dataset.pending = page.pending;
  status.querySelector('.text').textContent = stateText(now);
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function clock(time) {
  return new Date(time).toLocaleTimeString(LOCALE);
}

function dayAndTime(time) {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return today ? date.toLocaleTimeString(LOCALE, {hour: '2-digit', minute: '2-digit'})
    : date.toLocaleDateString(LOCALE, {day: 'numeric', month: 'short', year: 'numeric'});
}

function showProblem(text, canRestore) {
  find('#problem').hidden = !text;
  find('#problem p').textContent = text || '';
  find('#restore').hidden = !canRestore;
}

/* What the client says while it works. A routine look at the server is not worth a flicker. */
function hear(message) {
  if (message.status === 'sync_start') page.syncing = page.pending > 0 || !page.sync.lastSyncTime();
  if (message.status === 'sync_put') page.syncing = true;
  if (message.status === 'sync_done') syncEnded(null);
  if (message.error) syncEnded(message.detail);
  showStatus();
}

function syncEnded(error) {
  page.syncing = false;
  page.expired = Boolean(error && error.code === 401);
  page.offline = Boolean(error && error.code === 0);
  page.problem = error && !page.offline && !page.expired ? inWords(error) : null;
  const deleted = error && error.collection_deleted;
  showProblem(deleted ? 'These notes were deleted on the server' +
    (deleted.reason ? ` (“${deleted.reason}”)` : '') + '. They are still on this device.' : null, true);
  if (page.expired) showLogin();
}

function inWords(error) {
  if (error.collection_deleted) return 'the notes were deleted on the server';
  if (error.code >= 500 && error.code !== 507) return 'the server has a problem, trying again';
  return error.message;
}

/* ---- Account -------------------------------------------------------------------------------- */

/* The development server prints an address that ends in #dev=TOKEN. The token is kept and taken out
 * of the address bar, where it could be copied along with the address. */
function takeToken() {
  const match = /^#dev=(.+)$/.exec(location.hash);
  if (match) {
    localStorage.setItem('notes-dev-token', decodeURIComponent(match[1]));
    history.replaceState(null, '', location.pathname + location.search);
  }
  return localStorage.getItem('notes-dev-token');
}

function showLogin() {
  const form = find('#login');
  form.hidden = false;
  form.querySelector('.first').hidden = page.expired;
  form.querySelector('.again').hidden = !page.expired;
  form.email.value = page.owner || form.email.value;
  form.email.readOnly = Boolean(page.owner); // to be someone else, log out first
}

function logIn(event) {
  event.preventDefault();
  const form = find('#login');
  const button = form.querySelector('button');
  if (!takeToken()) {
    return loginFailed('Open the address that the server printed when it started: it ends in the login token.');
  }
  page.authenticator.token = takeToken();
  button.disabled = true;
  page.authenticator.request({email: form.email.value.trim()}, error => {
    button.disabled = false;
    if (error) loginFailed(error.code === 0 ? 'The server cannot be reached.' : 'Not logged in: ' + error.message);
  });
}

function loginFailed(text) {
  const problem = find('#login .problem');
  problem.textContent = text || '';
  problem.hidden = !text;
}

async function loggedIn(email) {
  loginFailed(null);
  find('#login').hidden = true;
  page.expired = false;
  if (page.sync) return showStatus(); // the same user again: the client goes on by itself
  await page.store.adopt(email);
  page.owner = email;
  find('#account .email').textContent = email;
  find('#account').hidden = false;
  page.sync = new Sync(appData(email), {
    appName: 'notes',
    wait: WAIT_SECONDS,
    authenticator: page.authenticator,
    storage: page.store.syncStorage(email),
  });
  redraw();
  if (navigator.storage && navigator.storage.persist) navigator.storage.persist();
}

/* The notes stay in the store under their owner; a fresh page shows none of them. */
function logOut() {
  page.authenticator.logout();
  location.reload();
}

/* What the sync client needs to know of the notes of one user. */
function appData(owner) {
  return {
    getPendingObjects: callback => page.store.pending(owner).then(objects => callback(null, objects), callback),
    objectsSaved: objects => page.store.saved(owner, objects).then(redraw),
    objectsReceived: objects => page.store.received(owner, objects).then(redraw),
    resetSaved: () => page.store.resetSaved(owner).then(redraw),
    reportObjectErrors: errors => console.error('refused by the server', errors),
    status: hear,
  };
}

function restore() {
  page.sync.service.syncNow(error => { if (!error) page.sync.resetSchedule(); }, true);
}

/* ---- Start ---------------------------------------------------------------------------------- */

function listen() {
  find('#new-note').addEventListener('submit', addNote);
  find('#new-text').addEventListener('input', event => fit(event.target));
  find('#new-text').addEventListener('keydown', event => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) addNote(event);
  });
  find('#login').addEventListener('submit', logIn);
  find('#logout').addEventListener('click', logOut);
  find('#undo').addEventListener('click', undo);
  find('#restore').addEventListener('click', restore);
  addEventListener('hashchange', takeToken);
  addEventListener('online', showStatus);
  addEventListener('offline', showStatus);
  if (otherTabs) otherTabs.onmessage = showNotes;
}

async function start() {
  const token = takeToken();
  page.store = await NoteStore.open();
  page.authenticator = new Sync.DevAuthenticator(null, new Sync.LocalStorage('notes-login::'), token);
  listen();
  if (!page.authenticator.loggedIn()) {
    showLogin();
    await showNotes();
  }
  page.authenticator.watch({onlogin: loggedIn});
  if ('serviceWorker' in navigator) navigator.serviceWorker.register('sw.js');
}

start().catch(error => showProblem('This page cannot start: ' + error.message));
