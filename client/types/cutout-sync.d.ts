/** JSON, as it is stored. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** What a collection consists of. (type, id) is its identity. */
export interface SyncObject<Data = any> {
  id: string | number;
  type?: string;
  data?: Data;
  /** Unix seconds. */
  expires?: number;
  deleted?: true;
  blob?: { content_type: string; data?: string; href?: string };
}

export interface ObjectName {
  id: string | number;
  type?: string;
}

/** Every failure: `error` is a short code, `code` the HTTP status or 0 for no answer. */
export interface SyncError extends Error {
  error: string;
  code?: number;
  detail?: unknown;
  collection_deleted?: { reason?: string; client_id?: string };
}

export type Callback<Result = void> = (error: SyncError | null, result?: Result) => void;

export interface ObjectError {
  object: SyncObject;
  error: string;
  code?: string;
}

export interface StatusMessage {
  timestamp: number;
  status?: string;
  error?: string;
  detail?: unknown;
  count?: number;
  received?: number;
  pending?: number;
}

/** The classic way: the app keeps its objects itself. */
export interface AppData {
  getPendingObjects(callback: (error: unknown, objects?: SyncObject[]) => void): void;
  objectsSaved(objects: SyncObject[], done?: () => void): unknown;
  objectsReceived(objects: SyncObject[], done?: () => void): unknown;
  resetSaved?(done?: () => void): unknown;
  reportObjectErrors?(errors: ObjectError[]): void;
  status?(message: StatusMessage): void;
  onupdate?: (() => void) | null;
}

export interface Storage {
  get(names: string | string[], callback: (value: any) => void): void;
  put(values: { [name: string]: unknown }, callback?: (error?: unknown) => void): void;
  put(name: string, value: unknown, callback?: (error?: unknown) => void): void;
  clear?(callback?: (error?: unknown) => void): void;
}

declare class LocalStorage implements Storage {
  constructor(prefix: string);
  get(names: string | string[], callback: (value: any) => void): void;
  put(values: { [name: string]: unknown }, callback?: (error?: unknown) => void): void;
  put(name: string, value: unknown, callback?: (error?: unknown) => void): void;
  clear(callback?: (error?: unknown) => void): void;
}

export interface Change<Data = any> {
  object: SyncObject<Data>;
  /** The server it came from; null for a change made on this device. */
  remote: string | null;
}

export interface StoreOptions {
  /** What is to stay of two edits: one of them, or a merged object. Must not wait for anything. */
  onconflict?(mine: SyncObject, theirs: SyncObject): SyncObject;
}

declare class IndexedDBStore {
  constructor(name?: string, options?: StoreOptions);
  readonly name: string;
  /** E-mail of the user whose objects are shown; '' before the first login. */
  readonly owner: string;
  onconflict: StoreOptions['onconflict'] | null;
  put(objects: SyncObject | SyncObject[]): Promise<void>;
  delete(names: ObjectName | ObjectName[]): Promise<void>;
  get<Data = any>(name: ObjectName): Promise<SyncObject<Data> | undefined>;
  list<Data = any>(type?: string): Promise<SyncObject<Data>[]>;
  observe(callback: (changes: Change[]) => void, options?: { signal?: AbortSignal }): () => void;
  countPending(targets?: string[]): Promise<number>;
  setOwner(owner: string): Promise<void>;
  clear(): Promise<void>;
  forget(target: string): Promise<void>;
  close(): void;
}

export interface LoginWatcher {
  onlogin?(email: string, details?: any): void;
  onlogout?(): void;
  /** Has another token for the same user. */
  onrenew?(email: string, details?: any): void;
  onerror?(error: SyncError): void;
  verifyUrl?: string;
}

export interface LogoutOptions {
  /** All sessions of the user at this site, on all devices. */
  everywhere?: boolean;
}

export interface AuthenticatorLike {
  domain?: string | null;
  loggedIn(): boolean;
  watch(watcher: LoginWatcher): void;
  request(options?: any, callback?: Callback<string>): any;
  logout(options?: LogoutOptions): void;
  modifyUrl(url: string): string;
  modifyRequest(request: { setRequestHeader(name: string, value: string): void }): void;
  /** The server said 401. */
  expired?(): void;
  /** Another tab has logged in or out. */
  reload?(): void;
}

declare class Authenticator implements AuthenticatorLike {
  constructor(verifyUrl?: string | null, storage?: Storage | null);
  readonly email: string | null;
  readonly domain: string | null;
  loggedIn(): boolean;
  watch(watcher: LoginWatcher): void;
  logout(options?: LogoutOptions): void;
  modifyUrl(url: string): string;
  modifyRequest(request: { setRequestHeader(name: string, value: string): void }): void;
  verify(assertion: string): Promise<string>;
  verify(assertion: string, callback: Callback<string>): void;
  request(options?: any, callback?: Callback<string>): any;
  expired(): void;
  reload(): void;
}

declare class PersonaAuthenticator extends Authenticator {
  constructor(verifyUrl?: string | null, storage?: Storage | null, assertion?: string);
}

declare class DevAuthenticator extends Authenticator {
  constructor(verifyUrl: string | null, storage: Storage | null, token: string | null);
  token: string | null;
  request(options: { email: string }): Promise<string>;
  request(options: { email: string }, callback: Callback<string>): void;
}

declare class TokenAuthenticator extends Authenticator {
  constructor(verifyUrl: string | null, storage: Storage | null,
    getAssertion: (options?: any) => string | null | Promise<string | null>);
  request(options?: any): Promise<string>;
  request(options: any, callback: Callback<string>): void;
}

/** What './encryption' exports. */
export interface EncryptionLike {
  begin(): Promise<unknown>;
  open(info: any): Promise<void>;
  encrypt(object: SyncObject): Promise<SyncObject>;
  decrypt(object: SyncObject): Promise<SyncObject>;
}

export interface SyncOptions {
  serverUrl?: string;
  bucket?: string;
  appName?: string;
  verifyUrl?: string;
  storage?: Storage;
  assertion?: string;
  authenticator?: AuthenticatorLike;
  /** Seconds the server may hold a request until there is news. */
  wait?: number;
  encryption?: EncryptionLike;
  /** false: do not ask the browser to keep what is stored. */
  persist?: boolean;
  /** Ends everything. */
  signal?: AbortSignal;
  /** false: logins here do not change whose objects the store shows. */
  owns?: boolean;
}

export interface SyncNowOptions {
  forcePut?: boolean;
  signal?: AbortSignal;
}

export interface SyncStatus {
  online: boolean;
  loggedIn: boolean;
  leader: boolean;
  syncing: boolean;
  pending: number;
  progress: { received: number; pending: number } | null;
  /** Milliseconds since 1970, or 0. */
  lastSync: number;
  lastError: { error: string; message: string; code?: number } | null;
}

export interface ReadAnswer {
  objects: [number, SyncObject][];
  collection_id?: string;
  collection_changed?: boolean;
  collection_deleted?: { reason?: string; client_id?: string };
  incomplete?: boolean;
  pending?: number;
  until?: number;
  client_seq?: number;
  mine?: number[];
}

export interface WriteAnswer {
  object_counters?: number[];
  collection_id?: string;
  since_invalid?: boolean;
}

declare class Server {
  constructor(baseUrl: string, bucket: string, authenticator: AuthenticatorLike);
  collectionPath: string | null;
  onretryafter: ((value: { retryAfter?: number; poll?: boolean; status: number }) => void) | null;
  onautherror: (() => void) | null;
  get(since: number, callback?: null, extra?: object, signal?: AbortSignal): Promise<ReadAnswer | null>;
  get(since: number, callback: Callback<ReadAnswer | null>, extra?: object, signal?: AbortSignal): void;
  put(since: number, objects: SyncObject[] | string, callback?: null, extra?: object,
    how?: { signal?: AbortSignal; keepalive?: boolean }): Promise<WriteAnswer & Partial<ReadAnswer>>;
  put(since: number, objects: SyncObject[] | string, callback: Callback<WriteAnswer & Partial<ReadAnswer>>,
    extra?: object, how?: { signal?: AbortSignal; keepalive?: boolean }): void;
  deleteCollection(reason: object, callback?: null, extra?: object): Promise<object>;
  deleteCollection(reason: object, callback: Callback<object>, extra?: object): void;
  info(): Promise<{ [limit: string]: any }>;
}

declare class Service {
  constructor(server: Server, appData: AppData, storage?: Storage);
  syncNow(options?: SyncNowOptions): Promise<void>;
  syncNow(callback: Callback, forcePut?: boolean): void;
  reset(): Promise<void>;
  reset(callback: Callback): void;
  deleteCollection(reason: string | object): Promise<object>;
  deleteCollection(reason: string | object, callback: Callback<object>): void;
  flush(): Promise<void>;
  flush(callback: Callback): void;
  lastSyncTime(): number;
  static checkObject(object: unknown, seen?: Set<string>): string | null;
}

declare class Scheduler {
  constructor(service: Service, authenticator: AuthenticatorLike, options?: { wait?: number });
  onerror: ((error: SyncError) => void) | null;
  onsuccess: (() => void) | null;
  /** Milliseconds. */
  settings: {
    maxPeriod: number;
    minPeriod: number;
    failureIncrease: number;
    normalPeriod: number;
    immediateUpdateDelay: number;
    liveRetryDelay: number;
  };
  activate(): void;
  deactivate(): void;
  schedule(): void;
  scheduleImmediately(): void;
  scheduleSlowly(): void;
  resetSchedule(): void;
  retryAfter(value: { retryAfter?: number; poll?: boolean }): void;
  close(): void;
}

export interface SyncEvents {
  status: SyncStatus;
  login: string;
  logout: undefined;
  autherror: undefined;
  error: SyncError;
}

export declare class Sync extends EventTarget {
  constructor(appData: AppData | IndexedDBStore, options?: SyncOptions);
  readonly server: Server;
  readonly service: Service;
  readonly scheduler: Scheduler;
  readonly authenticator: AuthenticatorLike;
  readonly store: IndexedDBStore | null;
  /** What the store calls this server. */
  readonly target: string | null;
  lastSyncTime(): number;
  resetSchedule(): void;
  scheduleImmediately(): void;
  scheduleSlowly(): void;
  activate(): void;
  deactivate(): void;
  request(options?: any, callback?: Callback<string>): any;
  logout(options?: LogoutOptions): void;
  toggleLogin(): void;
  watch(watcher: LoginWatcher): void;
  reset(): Promise<void>;
  reset(callback: Callback): void;
  authenticateUrl(url: string): string;
  syncNow(options?: SyncNowOptions): Promise<void>;
  syncNow(callback: Callback, forcePut?: boolean): void;
  status(): SyncStatus;
  close(): Promise<unknown>;
  addEventListener<Name extends keyof SyncEvents>(name: Name,
    listener: (event: Event & { detail: SyncEvents[Name] }) => void,
    options?: boolean | AddEventListenerOptions): void;
  addEventListener(name: string, listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions): void;

  static baseUrl: string | null;
  static Authenticator: typeof Authenticator;
  static DevAuthenticator: typeof DevAuthenticator;
  static IndexedDBStore: typeof IndexedDBStore;
  static LocalStorage: typeof LocalStorage;
  static Multi: typeof Multi;
  static PersonaAuthenticator: typeof PersonaAuthenticator;
  static Scheduler: typeof Scheduler;
  static Server: typeof Server;
  static Service: typeof Service;
  static TokenAuthenticator: typeof TokenAuthenticator;
}

declare class Multi {
  constructor(servers: SyncOptions[], store: IndexedDBStore);
  readonly store: IndexedDBStore;
  readonly syncs: Sync[];
  add(options: SyncOptions): Sync;
  remove(sync: Sync, options?: { force?: boolean }): Promise<void>;
  syncNow(options?: SyncNowOptions): Promise<void>;
  status(): SyncStatus[];
  close(): void;
}

export type { IndexedDBStore, Authenticator, Server, Service, Scheduler, Multi };
export default Sync;
