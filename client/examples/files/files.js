/* Files: an object for each, whose blob is the file itself. The list is here, offline too; the bytes are
 * on the server, go up as they are, and come down by a link that is good for an hour. */
'use strict';

const find = selector => document.querySelector(selector);
const TYPE = 'file';
const uploads = new Map(); // id -> part of it that is on the server, from 0 to 1

const store = new Sync.IndexedDBStore('files');
const authenticator = new Sync.DevAuthenticator(null, new Sync.LocalStorage('files-login::'), takeToken());
const sync = new Sync(store, {appName: 'files', authenticator});
let email = null;

/* The server that was started for development prints an address that ends in its token. */
function takeToken() {
  const found = /#dev=([^&]+)/.exec(location.hash);
  if (found) sessionStorage.setItem('dev', found[1]);
  return sessionStorage.getItem('dev');
}

/* ---- The list ------------------------------------------------------------------------------- */

function sizeText(bytes) {
  const units = ['bytes', 'KB', 'MB', 'GB'];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit++;
  }
  return `${unit && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}

function makeItem(id) {
  const item = find('#file').content.firstElementChild.cloneNode(true);
  item.dataset.id = id;
  item.querySelector('.download').onclick = () => download(id).catch(failed);
  item.querySelector('.delete').onclick = () => store.delete({type: TYPE, id}).catch(failed);
  return item;
}

function showItem(item, {id, data, blob}) {
  const progress = item.querySelector('progress');
  const part = uploads.get(id);
  item.dataset.state = blob ? 'there' : part === undefined ? 'elsewhere' : 'sending';
  item.querySelector('.name').textContent = data.name;
  item.querySelector('.about').textContent = sizeText(data.size) +
    (item.dataset.state === 'elsewhere' ? ', not sent yet by the device that has it' : '');
  item.querySelector('.download').hidden = !blob;
  item.querySelector('.download').setAttribute('aria-label', 'Download ' + data.name);
  item.querySelector('.delete').setAttribute('aria-label', 'Delete ' + data.name);
  progress.hidden = part === undefined;
  progress.value = part || 0;
  progress.setAttribute('aria-label', 'Sending ' + data.name);
}

async function show() {
  const files = await store.list(TYPE);
  files.sort((a, b) => b.data.added - a.data.added || (a.id < b.id ? -1 : 1));
  const items = new Map(Array.from(find('#files').children, item => [item.dataset.id, item]));
  find('#files').replaceChildren(...files.map(file => {
    const item = items.get(file.id) || makeItem(file.id);
    showItem(item, file);
    return item;
  }));
  find('#empty').hidden = files.length > 0;
}

/* ---- Up and down ----------------------------------------------------------------------------- */

const collectionUrl = () =>
  `${Sync.baseUrl}/${location.hostname}/${encodeURIComponent(email)}/files`;

/* Not fetch: that does not tell how far it is. */
function sendBytes(id, file) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', sync.authenticateUrl(`${collectionUrl()}/+static/?type=${TYPE}&id=${id}`));
    request.responseType = 'json';
    request.setRequestHeader('Content-Type', file.type || 'application/octet-stream');
    request.upload.onprogress = event => {
      uploads.set(id, event.loaded / event.total);
      show();
    };
    request.onerror = () => reject(new Error('the server cannot be reached'));
    request.onload = () => {
      if (request.status === 201) resolve(request.response);
      else reject(new Error(request.response ? request.response.message : `status ${request.status}`));
    };
    request.send(file);
  });
}

/* The object first: so the collection is there, and the other devices know what is coming. */
async function upload(file) {
  const object = {type: TYPE, id: crypto.randomUUID(), data: {name: file.name, size: file.size, added: Date.now()}};
  uploads.set(object.id, 0);
  try {
    await store.put(object);
    await sync.syncNow();
    const {href, content_type} = await sendBytes(object.id, file);
    await store.put({...object, blob: {content_type, href}});
  } catch (error) {
    await store.delete({type: TYPE, id: object.id});
    throw new Error(`${file.name} was not sent: ${error.message}`);
  } finally {
    uploads.delete(object.id);
    show();
  }
}

function uploadAll(files) {
  find('#problem').hidden = true;
  for (const file of files) upload(file).catch(failed);
}

async function download(id) {
  const {data, blob} = await store.get({type: TYPE, id});
  const answer = await fetch(sync.authenticateUrl(blob.href), {method: 'POST'});
  const link = await answer.json();
  if (!answer.ok) throw new Error(`${data.name} cannot be read: ${link.message}`);
  const anchor = document.createElement('a');
  anchor.href = `${link.url}&filename=${encodeURIComponent(data.name)}`;
  anchor.download = data.name;
  anchor.click();
}

/* ---- The page -------------------------------------------------------------------------------- */

/* Stays until something else is begun. */
function failed(error) {
  find('#problem').textContent = error.message;
  find('#problem').hidden = false;
}

function showStatus({online, pending, lastError, lastSync}) {
  find('#status').textContent = !email ? ''
    : !online ? 'Offline: the list is here, the files are on the server'
    : lastError ? lastError.message
    : pending ? `${pending} to send` : lastSync ? 'In step with the server' : '';
}

find('#login').onsubmit = event => {
  event.preventDefault();
  find('#problem').hidden = true;
  sync.request({email: find('#email').value.trim()}).catch(failed);
};
find('#logout').onclick = () => sync.logout();
find('#choose').onchange = event => {
  uploadAll(event.target.files);
  event.target.value = '';
};
for (const name of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  find('#drop').addEventListener(name, event => {
    event.preventDefault();
    find('#drop').classList.toggle('over', name === 'dragenter' || name === 'dragover');
    if (name === 'drop') uploadAll(event.dataTransfer.files);
  });
}

sync.addEventListener('status', ({detail}) => showStatus(detail));
sync.watch({
  onlogin: who => {
    email = who;
    find('#account .email').textContent = who;
    for (const [selector, hidden] of [['#login', true], ['#app', false], ['#account', false]]) find(selector).hidden = hidden;
    show();
  },
  onlogout: () => {
    email = null;
    for (const [selector, hidden] of [['#login', false], ['#app', true], ['#account', true]]) find(selector).hidden = hidden;
  },
  onerror: failed,
});
store.observe(show);
