/* How long to wait after failures in a row: any time up to a limit that doubles ("full jitter"), so that
 * a crowd that lost its server does not come back all at once. */
import {env} from './env.js';

export function backoff(failures, firstMs, mostMs) {
  return Math.round(env.random() * Math.min(mostMs, firstMs * Math.pow(2, failures - 1)));
}
