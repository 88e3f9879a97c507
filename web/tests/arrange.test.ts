import { expect, test } from 'vitest';
import { type Order, ORDERS, passes, sorted, tally } from '../src/arrange.ts';
import { albumOf, named } from './photos.ts';

const { photos } = albumOf({
  notes: { code: 'not_an_image', bytes: 4 },
  boots: [0.1, 0.1, 0.8],
  hat: [0.9, 0.05, 0.05],
  later: null,
  dress: [0.1, 0.7, 0.2],
  perhaps: [0.45, 0.3, 0.25],
});
const ENGLISH = ['hat', 'dress', 'ankle boots'];

test.each<[Order, string[]]>([
  ['given', ['notes', 'boots', 'hat', 'later', 'dress', 'perhaps']],
  ['surest', ['hat', 'boots', 'dress', 'perhaps', 'notes', 'later']],
  ['doubtful', ['perhaps', 'dress', 'boots', 'hat', 'notes', 'later']],
  ['label', ['boots', 'dress', 'hat', 'perhaps', 'notes', 'later']],
])('in the order %s', (order, expected) => {
  expect(named(sorted(photos, order, ENGLISH, 'en'))).toEqual(expected);
  expect(named(photos)[0]).toBe('notes'); // sorting leaves the album alone
});

test('every order is tested', () => {
  expect(ORDERS).toEqual(['given', 'surest', 'doubtful', 'label']);
});

test('labels are sorted by the names of the visitor’s language', () => {
  // duǎnxuē, liányīqún, màozi
  const names = named(sorted(photos, 'label', ['帽子', '连衣裙', '短靴'], 'zh'));
  expect(names).toEqual(['boots', 'dress', 'hat', 'perhaps', 'notes', 'later']);
});

test('groups have their counts, and a filter lets one of them through', () => {
  const counts = tally(photos, 0.5);
  expect(Object.fromEntries(counts)).toEqual({ failed: 1, 2: 1, 0: 1, 1: 1, 'not-sure': 1 });
  for (const [group, count] of counts) {
    expect(photos.filter((photo) => passes(photo, group, 0.5))).toHaveLength(count);
  }
  expect(photos.every((photo) => passes(photo, null, 0.5))).toBe(true);
});
