/* The page: shows the notes of the store, writes every keystroke back to it, and says in one line how
 * far the server has them. The store keeps them, its Sync sends and fetches; there is nothing else. */
'use strict';

const find = selector => document.querySelector(selector);
const TYPE = 'note'; // {type, id, data: {text, created, edited}}, times in milliseconds
const LOCALE = 'en-GB'; // the page speaks English; a clock of 24 hours fits the short lines
const UNDO_MS = 8000;

const store = new Sync.IndexedDBStore('notes', {onconflict: mergeNotes});
const authenticator = new Sync.DevAuthenticator(null, new Sync.LocalStorage('notes-login::'), takeToken());
const sync = new Sync(store, {appName: 'notes', authenticator});
let owner = '';     // whose notes are on the page; nobody's before the first login
let deleted = null; // the note that undo brings back
let reason = '';    // why somebody deleted all notes on the server

/* ---- Notes ---------------------------------------------------------------------------------- */

async function showNotes() {
  const asked = store.owner;
  const notes = (await store.list(TYPE)).filter(isNote);
  if (store.owner !== asked) return showNotes(); // just opened, or somebody else has logged in
  owner = asked;
  notes.sort((a, b) => b.data.created - a.data.created || (a.id < b.id ? -1 : 1));
  placeNotes(notes);
  find('#empty').hidden = notes.length > 0;
  await showStatus();
}

/* An item that can stay where it is stays: a field that is moved loses the focus. */
function placeNotes(notes) {
  const list = find('#notes');
  const ids = new Set(notes.map(note => note.id));
  for (const item of [...list.children]) {
    if (!ids.has(item.dataset.id)) item.remove();
  }
  const items = new Map(Array.from(list.children, item => [item.dataset.id, item]));
  let place = list.firstElementChild;
  for (const note of notes) {
    const item = items.get(note.id) || makeItem(note.id);
    showNote(item, note);
    if (item === place) place = place.nextElementSibling;
    else list.insertBefore(item, place);
  }
}

function makeItem(id) {
  const item = find('#note').content.firstElementChild.cloneNode(true);
  item.dataset.id = id;
  item.writes = 0;
  item.querySelector('textarea').addEventListener('input', () => editNote(item));
  item.querySelector('.delete').addEventListener('click', () => deleteNote(item));
  return item;
}

function showNote(item, note) {
  const text = item.querySelector('textarea');
  const time = item.querySelector('time');
  item.note = note;
  // While a keystroke is on its way to the store, what is on the screen is newer than what is stored.
  if (!item.writes && text.value !== note.data.text) {
    const caret = text.selectionStart;
    text.value = note.data.text;
    if (document.activeElement === text) text.setSelectionRange(caret, caret);
  }
  fit(text);
  time.dateTime = new Date(note.data.edited).toISOString();
  time.textContent = dayAndTime(note.data.edited);
}

/* For browsers that do not size a text field by its content. */
function fit(text) {
  if (CSS.supports('field-sizing', 'content')) return;
  requestAnimationFrame(() => {
    text.style.height = 'auto';
    text.style.height = text.scrollHeight + 'px';
  });
}

/* Not crypto.randomUUID: that wants https, and a phone may try this over plain http. */
function randomId() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), word => word.toString(36)).join('');
}

async function addNote(event) {
  event.preventDefault();
  const field = find('#new-text');
  const text = field.value.trim();
  const now = Date.now();
  field.focus();
  if (!text) return;
  field.value = '';
  try {
    await store.put({type: TYPE, id: randomId(), data: {text, created: now, edited: now}});
  } catch (error) {
    field.value = text;
    storeFailed(error);
  }
}

async function editNote(item) {
  const text = item.querySelector('textarea');
  fit(text);
  item.writes++;
  try {
    await store.put({...item.note, data: {...item.note.data, text: text.value, edited: Date.now()}});
  } catch (error) {
    storeFailed(error);
  } finally {
    item.writes--;
  }
}

async function deleteNote(item) {
  const next = item.nextElementSibling || item.previousElementSibling;
  deleted = item.note;
  await store.delete(item.note).catch(storeFailed);
  showToast();
  await showNotes();
  // The focus must not fall back to the top of the page.
  if (document.activeElement === document.body) (next ? next.querySelector('.delete') : find('#new-text')).focus();
}

function undo() {
  find('#toast').hidden = true;
  if (deleted) store.put(deleted).catch(storeFailed);
  deleted = null;
}

function showToast() {
  find('#toast').hidden = false;
  clearTimeout(showToast.timer);
  showToast.timer = setTimeout(() => { find('#toast').hidden = true; }, UNDO_MS);
}

function storeFailed(error) {
  showProblem('This browser could not store the change: ' + error.message);
}

/* ---- Status --------------------------------------------------------------------------------- */

const isExpired = () => sync.status().lastError?.code === 401;
const isLoggedOut = () => owner !== '' && authenticator.email !== owner;

/* What the status line says, as a word for the style sheet. */
function stateOf({online, loggedIn, syncing, lastSync, lastError}, pending) {
  if (!loggedIn || isExpired()) return 'login';
  if (syncing && (pending || !lastSync)) return 'syncing'; // a routine look at the server is not worth a flicker
  if (!online || lastError?.code === 0) return 'offline';
  if (lastError) return 'error';
  return pending ? 'pending' : 'synced';
}

function textOf(state, {lastSync, lastError, progress}, pending) {
  const waiting = pending === 1 ? '1 change' : pending + ' changes';
  switch (state) {
    case 'login':
      if (isLoggedOut()) return 'Logged out';
      if (!isExpired()) return 'On this device only';
      return pending ? `Log in again to sync ${waiting}` : 'Log in again to sync';
    case 'syncing': return progress ? `Syncing, ${progress.pending} to come…` : 'Syncing…';
    case 'offline': return pending ? `Offline, ${waiting} waiting` : 'Offline, all changes synced';
    case 'error': return pending ? `${waiting} waiting: ${inWords(lastError)}` : sentence(inWords(lastError));
    case 'pending': return `${waiting} waiting`;
    default: return lastSync ? 'Synced at ' + new Date(lastSync).toLocaleTimeString(LOCALE) : 'Not synced yet';
  }
}

async function showStatus() {
  const pending = await store.countPending([sync.target]);
  const status = sync.status();
  const state = stateOf(status, pending);
  find('#status').dataset.state = state;
  find('#status').dataset.pending = pending;
  find('#status .text').textContent = textOf(state, status, pending);
  showAccount();
  if (status.lastError?.error === 'collection_deleted') {
    showProblem(`These notes were deleted on the server${reason}. They are still on this device.`, true);
  } else if (!find('#restore').hidden) {
    showProblem(null);
  }
}

function inWords(error) {
  if (error.error === 'collection_deleted') return 'the notes were deleted on the server';
  if (error.code >= 500 && error.code !== 507) return 'the server has a problem, trying again';
  return error.message;
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
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

/* Three reasons to log in: never yet, the login is no longer good, or logged out. In the last case the
 * notes are out of sight: they are somebody's. */
function showAccount() {
  const loggedIn = authenticator.loggedIn();
  const why = isLoggedOut() ? 'out' : isExpired() ? 'expired' : 'first';
  const form = find('#login');
  form.hidden = loggedIn && why !== 'expired';
  for (const hint of form.querySelectorAll('.hint')) hint.hidden = hint.dataset.why !== why;
  if (why === 'expired') form.email.value = authenticator.email;
  form.email.readOnly = why === 'expired'; // to be someone else, log out first
  find('#account').hidden = !loggedIn;
  find('#account .email').textContent = authenticator.email || '';
  find('#desk').hidden = isLoggedOut();
  if (isLoggedOut()) find('#toast').hidden = true;
}

async function logIn(event) {
  event.preventDefault();
  const form = find('#login');
  const button = form.querySelector('button');
  authenticator.token = takeToken();
  if (!authenticator.token) {
    return loginFailed('Open the address that the server printed when it started: it ends in the login token.');
  }
  button.disabled = true;
  try {
    await sync.request({email: form.email.value.trim()});
    loginFailed(null);
    form.reset();
  } catch (error) {
    loginFailed(error.code === 0 ? 'The server cannot be reached.' : 'Not logged in: ' + error.message);
  } finally {
    button.disabled = false;
  }
}

function loginFailed(text) {
  const problem = find('#login .problem');
  problem.textContent = text || '';
  problem.hidden = !text;
}

/* ---- Start ---------------------------------------------------------------------------------- */

function listen() {
  find('#new-note').addEventListener('submit', addNote);
  find('#new-text').addEventListener('input', event => fit(event.target));
  find('#new-text').addEventListener('keydown', event => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) addNote(event);
  });
  find('#login').addEventListener('submit', logIn);
  find('#logout').addEventListener('click', () => sync.logout());
  find('#undo').addEventListener('click', undo);
  find('#restore').addEventListener('click', () => sync.syncNow({forcePut: true}).catch(() => null));
  addEventListener('hashchange', takeToken);
  store.observe(showNotes); // changed here, in another tab, on another device
  sync.addEventListener('status', showStatus);
  sync.addEventListener('error', ({detail}) => {
    const why = detail.collection_deleted?.reason;
    reason = why ? ` (“${why}”)` : '';
  });
}

listen();
showNotes().catch(error => showProblem('This page cannot start: ' + error.message));
if ('serviceWorker' in navigator) navigator.serviceWorker.register('sw.js');
