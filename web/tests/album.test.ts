import { expect, test } from 'vitest';
import { groupOf } from '../src/album.ts';
import { albumOf, answerOf, named } from './photos.ts';

test('counts what has become of the photos', () => {
  const album = albumOf({ hat: [0.9, 0.1, 0], notes: { code: 'not_an_image', bytes: 4 }, later: null, last: null });
  expect(album).toMatchObject({ total: 4, done: 2, failed: 1, pending: 2, stopped: 0 });
  album.settle(album.photos[2], { kind: 'reading' });
  expect(album).toMatchObject({ total: 4, done: 2, failed: 1, pending: 2, stopped: 0 });
  album.answer(album.photos[2], answerOf([0, 1, 0]));
  expect(album).toMatchObject({ total: 4, done: 3, failed: 1, pending: 1, stopped: 0 });
});

test('what is stopped keeps what is done, and can go on', () => {
  const album = albumOf({ hat: [0.9, 0.1, 0], later: null, last: null });
  album.settle(album.photos[1], { kind: 'reading' });
  expect(named(album.stop())).toEqual(['later', 'last']);
  expect(album).toMatchObject({ done: 1, pending: 0, stopped: 2 });
  expect(album.photos[0].outcome).toMatchObject({ kind: 'answer', best: 0 });
  expect(named(album.goOn())).toEqual(['later', 'last']);
  expect(album).toMatchObject({ done: 1, pending: 2, stopped: 0 });
});

test('no two photos have the same id, not even after the album was emptied', () => {
  const album = albumOf({ one: null, two: null });
  const ids = album.photos.map(({ id }) => id);
  album.clear();
  expect(album).toMatchObject({ total: 0, done: 0, pending: 0 });
  const [third] = album.add([{ file: new File([], 'three'), name: 'three' }]);
  expect(new Set([...ids, third.id]).size).toBe(3);
});

test('a photo belongs to its best label, to the doubtful, or to the failed', () => {
  const { photos } = albumOf({ a: [0.1, 0.6, 0.3], b: [0.4, 0.3, 0.3], c: { code: 'unreadable_file' }, d: null });
  expect(photos.map((photo) => groupOf(photo, 0.5))).toEqual([1, 'not-sure', 'failed', null]);
  expect(photos.map((photo) => groupOf(photo, null))).toEqual([1, 0, 'failed', null]);
});
