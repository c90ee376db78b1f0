import type { IndexedDBStore, Sync, SyncObject, SyncStatus } from './cutout-sync.js';

/** The store's objects, of one type or all; [] until they are read. Renders again at each change. */
export declare function useObjects<Data = any>(store: IndexedDBStore, type?: string): SyncObject<Data>[];

/** What sync.status() says. Renders again at each change. */
export declare function useSyncStatus(sync: Sync): SyncStatus;
