/* What an object may be, and what the objects of an answer amount to. */
import {identity} from './tools.js';

export const KEY_TYPE = 'cutout-key'; // of the object that tells how others are encrypted
const NOT_JSON = 'it cannot be written as JSON';
const MEMBERS = ['type', 'id', 'expires', 'data', 'deleted', 'blob'];
const BLOB_MEMBERS = ['href', 'data', 'content_type'];

const onlyHas = (object, names) => Object.keys(object).every(name => names.includes(name));
const RULES = [
  [o => typeof o.id === 'string' && o.id !== '' || Number.isSafeInteger(o.id),
    'id must be a string or an integer'],
  [o => !('type' in o) || typeof o.type === 'string', 'type must be a string'],
  [o => onlyHas(o, MEMBERS), `only ${MEMBERS.join(', ')} can be members; put others into data`],
  [o => !('expires' in o) || Number.isFinite(o.expires), 'expires must be a number'],
  [o => !('deleted' in o) || o.deleted === true, 'deleted can only be true'],
  [o => !o.deleted || !('data' in o || 'blob' in o), 'a deleted object has no data and no blob'],
  [o => !('blob' in o) || o.blob?.content_type && (o.blob.data || o.blob.href) &&
    onlyHas(o.blob, BLOB_MEMBERS), 'blob needs a content_type, data or href, and nothing else'],
];

/* What is wrong with an object, or null. `seen` collects identities over one list. */
export function checkObject(object, seen) {
  if (toJson(object) === undefined) return NOT_JSON;
  if (!object || typeof object !== 'object' || Array.isArray(object)) return 'it is no object';
  const broken = RULES.find(([holds]) => !holds(object));
  if (broken) return broken[1];
  if (seen.has(identity(object))) return 'two objects have this type and id';
  seen.add(identity(object));
  return null;
}

/* undefined for what cannot be written so. */
export function toJson(value) {
  try {
    return JSON.stringify(value);
  } catch (error) {
    return undefined;
  }
}

/* Whether the server has said no for good. Without an answer, after a failure on its side, or with
 * an expired login the batch may be stored, and must be asked about again. */
export function answered(error) {
  return error.code >= 400 && error.code < 500 && ![401, 408, 429].includes(error.code) ||
    error.code === 507;
}

/* Whether an answer is more than "no such collection yet". */
export function isNews(answer) {
  return Boolean(answer?.objects?.length || answer?.collection_changed || answer?.collection_deleted);
}

/* The last version of each object, as [counter, object], in order, without this client's own. An own
 * version that came last hides earlier ones of others: it was made in knowledge of them. */
export function newest(entries, mine) {
  const own = new Set(mine);
  const seen = new Set();
  const result = [];
  for (let i = entries.length - 1; i >= 0; i--) {
    const [counter, object] = entries[i];
    const key = 'id' in object ? identity(object) : String(counter);
    if (!seen.has(key) && !own.has(counter)) result.push(entries[i]);
    seen.add(key);
  }
  return result.reverse();
}

export function addBlobAddresses(objects, blobs) {
  for (const blob of blobs) {
    const found = objects.find(object => identity(object) === identity(blob));
    if (found?.blob) found.blob.href = blob.href;
  }
}
