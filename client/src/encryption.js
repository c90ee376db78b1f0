/* End-to-end encryption of `data`: the server and whoever reads its disk see type, id, sizes and times,
 * and no content. (Blobs, `expires` and what was deleted are not hidden.)
 *
 * The key is made from a passphrase (PBKDF2) and a random salt that the first device chose. An object
 * of type "cutout-key" carries the salt and a check: a few bytes encrypted with the key, so that a wrong
 * passphrase is noticed before anything is read or written. It is the first object of the collection and
 * never changes. Each `data` becomes {encrypted: base64 of nonce and AES-GCM text}; type and id
 * are authenticated with it, so that a server cannot give one object the content of another. */
import {env} from './env.js';
import {KEY_TYPE} from './objects.js';
import {failure, identity} from './tools.js';

const ITERATIONS = 600000; // what OWASP asks of PBKDF2 with SHA-256
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const CHECK = {type: KEY_TYPE, id: 'key', data: 'cutout'};

const toBase64 = bytes => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};
const fromBase64 = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const random = count => env.crypto.getRandomValues(new Uint8Array(count));

export class Encryption {
  constructor(passphrase, options) {
    if (!passphrase) throw new Error('new Encryption(passphrase): the passphrase is missing');
    this._passphrase = passphrase;
    this._iterations = options?.iterations || ITERATIONS;
    this._salt = null; // that _key was made with
    this._key = null;
  }

  /* Chooses a salt and returns what the other devices need. */
  async begin() {
    const info = {salt: toBase64(random(SALT_BYTES)), iterations: this._iterations};
    await this._derive(info);
    info.check = (await this.encrypt(CHECK)).data;
    return info;
  }

  /* Makes the key; fails with `wrong_key` when the passphrase is another one. */
  async open(info) {
    if (this._salt === info.salt) return;
    await this._derive(info);
    try {
      await this.decrypt({...CHECK, data: info.check});
    } catch (error) {
      this._salt = null;
      throw failure('wrong_key', 'the passphrase is not the one this collection was encrypted with');
    }
  }

  async encrypt(object) {
    if (!('data' in object) || object.type === KEY_TYPE && object !== CHECK) return object;
    const nonce = random(NONCE_BYTES);
    const text = new Uint8Array(await env.crypto.subtle.encrypt(how(object, nonce), this._key,
      new TextEncoder().encode(JSON.stringify(object.data))));
    const all = new Uint8Array(NONCE_BYTES + text.length);
    all.set(nonce);
    all.set(text, NONCE_BYTES);
    return Object.assign({}, object, {data: {encrypted: toBase64(all)}});
  }

  /* What was written before encryption was turned on stays as it is. */
  async decrypt(object) {
    if (!object.data || typeof object.data.encrypted !== 'string') return object;
    const all = fromBase64(object.data.encrypted);
    const text = await env.crypto.subtle.decrypt(how(object, all.subarray(0, NONCE_BYTES)), this._key,
      all.subarray(NONCE_BYTES)).catch(error => {
      throw failure('not_decrypted', `object ${identity(object)} was altered or encrypted with another key`,
        {cause: error});
    });
    return {...object, data: JSON.parse(new TextDecoder().decode(text))};
  }

  async _derive({salt, iterations}) {
    const {subtle} = env.crypto;
    const secret = await subtle.importKey('raw', new TextEncoder().encode(this._passphrase), 'PBKDF2',
      false, ['deriveKey']);
    this._key = await subtle.deriveKey(
      {name: 'PBKDF2', hash: 'SHA-256', salt: fromBase64(salt), iterations},
      secret, {name: 'AES-GCM', length: 256}, false, ['encrypt', 'decrypt']);
    this._salt = salt;
  }
}

function how(object, nonce) {
  return {name: 'AES-GCM', iv: nonce, additionalData: new TextEncoder().encode(identity(object))};
}
