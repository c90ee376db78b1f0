/* Never runs: `tsc --noEmit` checks that each call is declared as it is meant to be used. */
import Sync, { Sync as Named, type AppData, type Change, type SyncError, type SyncStatus } from 'cutout-sync';
import { Encryption } from 'cutout-sync/encryption';
import { useObjects, useSyncStatus } from 'cutout-sync/react';

interface Note { text: string }

const appData: AppData = {
  getPendingObjects: callback => callback(null, [{ id: 'a', type: 'note', data: { text: 'x' } }]),
  objectsSaved: objects => objects.length,
  objectsReceived: async objects => { for (const { id, deleted } of objects) console.log(id, deleted); },
  resetSaved: () => undefined,
  reportObjectErrors: errors => errors.map(({ object, error, code }) => [object.id, error, code]),
  status: message => message.timestamp,
  onupdate: null,
};
const storage = new Sync.LocalStorage('x::');
storage.put('a', 1);
storage.put({ a: 1 }, () => undefined);
storage.get(['a'], values => values.a);
storage.clear();

const classic: Named = new Sync(appData, { serverUrl: 'https://x.example', bucket: 'notes', storage,
  verifyUrl: '/verify', assertion: 'x', wait: 25 });
classic.watch({ onlogin: (email: string) => email, onlogout: () => undefined, onerror: (e: SyncError) => e.code });
classic.request();
classic.toggleLogin();
classic.reset((error: SyncError | null) => error);
classic.scheduleImmediately();
classic.scheduleSlowly();
classic.resetSchedule();
classic.activate();
classic.deactivate();
classic.logout();
const when: number = classic.lastSyncTime();
const url: string = classic.authenticateUrl('/x');
classic.service.syncNow((error: SyncError | null) => error, true);
classic.scheduler.onerror = error => console.log(error.error, when, url);
classic.scheduler.settings.normalPeriod = 1000;
classic.server.onretryafter = ({ retryAfter }) => retryAfter;
classic.server.get(0, (error, answer) => answer?.objects[0][1].id);
const problem: string | null = Sync.Service.checkObject({ id: 1 });

async function modern(signal: AbortSignal): Promise<void> {
  const store = new Sync.IndexedDBStore('notes', { onconflict: (mine, theirs) => mine.deleted ? theirs : mine });
  const authenticator = new Sync.TokenAuthenticator(null, null, async () => problem);
  const sync = new Sync(store, { appName: 'notes', authenticator, signal, persist: false,
    encryption: new Encryption('secret', { iterations: 10 }) });
  sync.addEventListener('status', ({ detail }) => { const status: SyncStatus = detail; console.log(status.pending); });
  sync.addEventListener('error', ({ detail }) => detail.error, { signal });
  sync.addEventListener('login', ({ detail }) => detail.toUpperCase());
  await store.put({ type: 'note', id: 'a', data: { text: 'x' } });
  await store.put([{ id: 1 }]);
  const text: string | undefined = (await store.get<Note>({ type: 'note', id: 'a' }))?.data?.text;
  const list = await store.list<Note>('note');
  const end = store.observe((changes: Change[]) => changes.map(({ object, remote }) => [object.id, remote]), { signal });
  await store.delete([{ type: 'note', id: 'a' }]);
  end();
  await sync.syncNow({ forcePut: true, signal });
  await sync.reset();
  await sync.service.flush();
  await sync.service.deleteCollection('reason');
  const { max_post_bytes } = await sync.server.info();
  const dev = new Sync.DevAuthenticator(null, storage, 'token');
  const email: string = await dev.request({ email: 'x@example.com' });
  await new Sync.PersonaAuthenticator('/verify').verify('assertion');
  const multi = new Sync.Multi([{ serverUrl: 'https://a.example', authenticator: dev }], store);
  const added: Sync = multi.add({ serverUrl: 'https://b.example' });
  await multi.syncNow();
  await multi.remove(added, { force: true });
  console.log(multi.status()[0].lastSync, text, list.length, max_post_bytes, email, sync.status().lastError?.message);
  await store.clear();
  multi.close();
  await sync.close();
}

function Notes({ store, sync }: { store: InstanceType<typeof Sync.IndexedDBStore>; sync: Sync }): string {
  const { pending, online } = useSyncStatus(sync);
  return useObjects<Note>(store, 'note').map(({ data }) => data?.text).join() + pending + online;
}

// @ts-expect-error an option that does not exist
new Sync(appData, { buckets: 'x' });
// @ts-expect-error appData is needed
new Sync();
console.log(modern, Notes);
