import type { EncryptionLike, SyncObject } from './cutout-sync.js';

/** End-to-end encryption of `data`; give it to Sync as the option `encryption`. */
export declare class Encryption implements EncryptionLike {
  constructor(passphrase: string, options?: { iterations?: number });
  begin(): Promise<{ salt: string; iterations: number; check: unknown }>;
  open(info: any): Promise<void>;
  encrypt(object: SyncObject): Promise<SyncObject>;
  decrypt(object: SyncObject): Promise<SyncObject>;
}
