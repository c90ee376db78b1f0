/* One HTTP request and its answer. */
import {env} from './env.js';
import {failure} from './tools.js';

export const REQUEST_SECONDS = 60; // a request that takes longer is given up and tried again

/* Where the script came from; Sync.baseUrl is another name for it. */
export const server = {baseUrl: null};

export function resolveUrl(url) {
  if (/^https?:\/\//i.test(url || '')) return url.replace(/\/+$/, '');
  const base = (server.baseUrl || env.location?.origin || '').replace(/\/+$/, '');
  const path = (url || '').replace(/^\/+|\/+$/g, '');
  return path ? base + '/' + path : base;
}

/* One HTTP exchange with a time limit: a half-open connection must not stop the sync. */
export async function exchange(url, init, seconds, signal) {
  const aborter = new AbortController();
  const timer = env.setTimeout(() => aborter.abort(), seconds * 1000);
  signal?.addEventListener('abort', () => aborter.abort());
  try {
    const response = await env.fetch(url,
      {cache: 'no-store', signal: aborter.signal, ...init});
    return {status: response.status, text: await response.text(),
      header: name => response.headers.get(name)};
  } catch (error) {
    if (signal?.aborted) throw failure('cancelled', 'the request was cancelled');
    const late = aborter.signal.aborted;
    throw failure(late ? 'timeout' : 'network',
      late ? `no answer within ${seconds} s` : 'the server cannot be reached',
      {code: 0, cause: error});
  } finally {
    env.clearTimeout(timer);
  }
}
