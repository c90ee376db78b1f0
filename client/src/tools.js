/* What several of the modules need: errors, callbacks and promises, names. */
import {env} from './env.js';

export function noop() {}

/* An error is an Error with a short code in .error, as the server's own error bodies have. */
export function failure(code, message, more) {
  return Object.assign(new Error(message), {error: code}, more);
}

/* Hands a promise's outcome to a callback, or gives the promise where there is none. A callback is
 * called from a fresh task, so that what it throws is the page's error and cannot be mistaken for a
 * failed sync. Who gives no callback and ignores the promise is not told of the failure. */
export function deliver(promise, callback) {
  promise.then(result => callback && callback(null, result), error => callback?.(error));
  return callback ? undefined : promise;
}

/* A promise for what a function with a trailing callback reports. */
export function ask(call) {
  return new Promise((resolve, reject) => {
    call((error, result) => error ? reject(error) : resolve(result));
  });
}

export function parseJson(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === 'object' ? value : null;
  } catch (error) {
    return null;
  }
}

export function queryText(values) {
  return Object.keys(values)
    .filter(key => values[key] !== undefined && values[key] !== null)
    .map(key => encodeURIComponent(key) + '=' + encodeURIComponent(values[key]))
    .join('&');
}

export function randomId() {
  const bytes = env.randomBytes(new Uint8Array(16));
  return Array.from(bytes, byte => (byte + 256).toString(16).slice(1)).join('');
}

export function identity(object) {
  return JSON.stringify([object.type === undefined ? null : object.type, object.id]);
}
