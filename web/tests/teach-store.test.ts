import 'fake-indexeddb/auto';
import { deleteDB, openDB } from 'idb';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Example } from '../src/teach/example.ts';
import { openStore, passingStore, type Store } from '../src/teach/store.ts';

const example = (sha256: string, label = 'Mug', thumbnail: Example['thumbnail'] = null): Example => ({
  label,
  sha256,
  embedding: Float32Array.of(1, 2, 3),
  thumbnail,
});
const names = async (store: Store) => (await store.all()).map(({ sha256 }) => sha256);

beforeEach(() => deleteDB('twinlens-taught'));

describe.each([
  ['IndexedDB', () => openStore('model')],
  ['a browser that keeps nothing', () => Promise.resolve(passingStore())],
])('%s', (_, open) => {
  test('gives back what was added, in that order', async () => {
    const store = await open();
    expect(await store.all()).toEqual([]);
    await store.add([example('z', 'Mug', Uint8Array.of(255, 216, 255)), example('a', '自行车')]);
    await store.add([example('m')]);
    expect(await store.all()).toEqual([
      example('z', 'Mug', Uint8Array.of(255, 216, 255)),
      example('a', '自行车'),
      example('m'),
    ]);
  });

  test('forgets what it is told to, and nothing else', async () => {
    const store = await open();
    await store.add([example('a'), example('b'), example('c')]);
    await store.remove(['b', 'unknown']);
    expect(await names(store)).toEqual(['a', 'c']);
    await store.add([example('b')]);
    expect(await names(store)).toEqual(['a', 'c', 'b']);
  });

  test('holds one example of a photo, the last', async () => {
    const store = await open();
    await store.add([example('a', 'Mug'), example('b')]);
    await store.add([example('a', 'Cup')]);
    expect((await store.all()).map(({ sha256, label }) => [sha256, label])).toEqual([
      ['b', 'Mug'],
      ['a', 'Cup'],
    ]);
  });
});

test('what was added is there when the page is opened again, for the same model only', async () => {
  await (await openStore('one')).add([example('a'), example('b')]);
  await (await openStore('other')).add([example('a', 'Cup')]);
  const one = await openStore('one');
  const other = await openStore('other');
  expect(await names(one)).toEqual(['a', 'b']);
  expect(await other.all()).toEqual([example('a', 'Cup')]);
  expect([await one.countOthers(), await other.countOthers()]).toEqual([1, 2]);
  await one.remove(['a']);
  expect(await names(other)).toEqual(['a']);
  await other.removeOthers();
  expect(await names(one)).toEqual([]);
  expect(await names(other)).toEqual(['a']);
  expect([one.lasting, passingStore().lasting]).toEqual([true, false]);
});

test('an addition that fails leaves nothing behind', async () => {
  const store = await openStore('model');
  const unclonable = { ...example('b'), thumbnail: (() => undefined) as unknown as Uint8Array<ArrayBuffer> };
  await expect(store.add([example('a'), unclonable])).rejects.toThrow();
  expect(await store.all()).toEqual([]);
});

test('a page of a later version, in another tab, need not wait for this one', async () => {
  await openStore('model');
  const later = await openDB('twinlens-taught', 2);
  expect(later.version).toBe(2);
  later.close();
});
