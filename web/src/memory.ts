/**
 * What is remembered from one visit to the next: which backend was the best for this model, this TensorFlow.js and this
 * browser. In IndexedDB, since a worker has no localStorage and the Cache API is not there over plain http. Where nothing
 * can be stored, as in some private windows, nothing is remembered.
 */
import { CONTESTANTS, type ContestantId, type Findings } from './choice.ts';

const DATABASE = 'twinlens-engine';
const STORE = 'choices';
/** There is one record, so that what is remembered of older versions does not pile up. */
const RECORD = 'backend';

export interface Choice {
  readonly key: string;
  readonly id: ContestantId;
  /** What was found of each when it was chosen. */
  readonly findings: Findings;
}

/**
 * What a choice holds for: another model, TensorFlow.js or browser may have another best one, and threads are only there
 * on an isolated page.
 */
export function keyOf(digest: string, version: string, agent: string, isolated: boolean): string {
  return JSON.stringify([digest, version, agent, isolated]);
}

/** The choice that was remembered under a key; null if there is none. */
export async function recall(key: string): Promise<Choice | null> {
  const found = await inStore('readonly', (store) => store.get(RECORD)).catch(() => undefined);
  const choice = found as Choice | undefined;
  return choice?.key === key && CONTESTANTS.includes(choice.id) ? choice : null;
}

/** Remember a choice. */
export async function remember(key: string, id: ContestantId, findings: Findings): Promise<void> {
  const choice: Choice = { key, id, findings };
  await inStore('readwrite', (store) => store.put(choice, RECORD)).catch(() => undefined);
}

/** Forget the choice. */
export async function forget(): Promise<void> {
  await inStore('readwrite', (store) => store.delete(RECORD)).catch(() => undefined);
}

async function inStore(mode: IDBTransactionMode, action: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = (await settled(opening)) as IDBDatabase;
  try {
    return await settled(action(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function settled(request: IDBRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });
}
