/**
 * Where examples are kept: IndexedDB, by the digest of the model that their embeddings came from.
 */
import { type DBSchema, openDB } from 'idb';
import type { Example } from './example.ts';

const NAME = 'twinlens-taught';
const VERSION = 1;

interface Kept extends Example {
  /** SHA-256 of the model's contract.json. */
  readonly digest: string;
  /** Counts up as examples are added, by model. */
  readonly order: number;
}

interface Schema extends DBSchema {
  examples: {
    key: [digest: string, sha256: string];
    value: Kept;
    indexes: { order: [digest: string, order: number] };
  };
}

export interface Store {
  /** Whether what is added is still there when the page is opened again. */
  readonly lasting: boolean;
  /** The examples of this model, in the order in which they were added. */
  all(): Promise<Example[]>;
  /** Add some, all or none; one takes the place of the one with the same `sha256`. */
  add(examples: readonly Example[]): Promise<void>;
  /** Forget the examples with these `sha256`. */
  remove(sha256s: readonly string[]): Promise<void>;
  /** How many examples other models were taught with here: this one cannot use them. */
  countOthers(): Promise<number>;
  /** Forget the examples of other models. */
  removeOthers(): Promise<void>;
}

/**
 * Open the store of a model.
 *
 * @param digest SHA-256 of the model's contract.json.
 * @throws DOMException where the browser keeps nothing for this page (some private windows).
 */
export async function openStore(digest: string): Promise<Store> {
  const database = await openDB<Schema>(NAME, VERSION, {
    upgrade(fresh) {
      fresh.createObjectStore('examples', { keyPath: ['digest', 'sha256'] }).createIndex('order', ['digest', 'order']);
    },
    // A page of a later version, in another tab, must not wait for this one to be closed.
    blocking: () => database.close(),
  });
  const ours = IDBKeyRange.bound([digest, 0], [digest, Infinity]);
  const others = async () => (await database.getAllKeys('examples')).filter(([other]) => other !== digest);
  const remove = async (keys: readonly [string, string][]) => {
    const { store, done } = database.transaction('examples', 'readwrite');
    await Promise.all([...keys.map((key) => store.delete(key)), done]);
  };
  return {
    lasting: true,
    async all() {
      const kept = await database.getAllFromIndex('examples', 'order', ours);
      return kept.map(({ label, sha256, embedding, thumbnail }) => ({ label, sha256, embedding, thumbnail }));
    },
    async add(examples) {
      const transaction = database.transaction('examples', 'readwrite');
      const { store, done } = transaction;
      const last = (await store.index('order').openKeyCursor(ours, 'prev'))?.key[1] ?? 0;
      const puts = [];
      try {
        for (const [index, example] of examples.entries()) {
          puts.push(store.put({ ...example, digest, order: last + 1 + index }));
        }
      } catch (error) {
        transaction.abort(); // what throws here, unlike a request that fails, does not do it by itself
        await Promise.allSettled([...puts, done]);
        throw error;
      }
      await Promise.all([...puts, done]);
    },
    remove: (sha256s) => remove(sha256s.map((sha256) => [digest, sha256])),
    countOthers: async () => (await others()).length,
    removeOthers: async () => remove(await others()),
  };
}

/** A store for a browser that keeps nothing: it lasts as long as the page is open. */
export function passingStore(): Store {
  const kept = new Map<string, Example>();
  return {
    lasting: false,
    all: () => Promise.resolve([...kept.values()]),
    add(examples) {
      for (const example of examples) {
        kept.delete(example.sha256); // so that it comes last
        kept.set(example.sha256, example);
      }
      return Promise.resolve();
    },
    remove(sha256s) {
      for (const sha256 of sha256s) kept.delete(sha256);
      return Promise.resolve();
    },
    countOthers: () => Promise.resolve(0),
    removeOthers: () => Promise.resolve(),
  };
}
