import { expect, test } from 'vitest';
import { addressOf, type Decided, isNewcomer, type Photo } from '../review/api.ts';
import { Pile, suggestionFor } from '../review/pile.ts';

function photo(path: string, ...kinds: Photo['reasons'][number]['kind'][]): Photo {
  const reasons = kinds.map((kind, at) => ({ kind, doubt: 0.9 - at / 10, suggested: `other${at}` }));
  return { path, label: 'hat', split: 'train', reviewed: null, doubt: 0.9, reasons, feedback: null };
}

function decided(action: Decided['action'], path: string, label: string | null, reviewed: string | null): Decided {
  return { action, path, label, reviewed };
}

const PHOTOS = [photo('a', 'label-issue'), photo('b', 'high-loss', 'not-sure'), photo('c', 'not-sure'), photo('d')];

test('the doubtful ones are shown, one after the other', () => {
  const pile = new Pile(PHOTOS);
  expect([pile.filter, pile.length, pile.current?.path]).toEqual(['doubtful', 3, 'a']);
  expect(pile.ahead(5).map(({ path }) => path)).toEqual(['b', 'c']);
  pile.move(2);
  expect(pile.current?.path).toBe('c');
  pile.move(5);
  expect([pile.current, pile.position]).toEqual([null, 3]);
  pile.move(-9);
  expect(pile.current?.path).toBe('a');
});

test('all are shown where none is doubtful', () => {
  const pile = new Pile([photo('d')]);
  expect([pile.filter, pile.current?.path]).toEqual(['all', 'd']);
});

test('a filter shows those of a kind', () => {
  const pile = new Pile(PHOTOS);
  pile.show('not-sure');
  expect([pile.length, pile.current?.path, pile.count('high-loss'), pile.count('all')]).toEqual([2, 'b', 1, 4]);
});

test('a decision goes on to the next one, and what was decided on can be gone back to', () => {
  const pile = new Pile(PHOTOS);
  pile.decided(decided('relabel', 'a', 'cap', '2026'));
  expect([pile.current?.path, pile.count('doubtful'), pile.length]).toEqual(['b', 2, 3]);
  pile.move(-1);
  expect(pile.current).toMatchObject({ path: 'a', label: 'cap', reviewed: '2026' });
});

test('an undo goes back to the photo as it was, also to one that was set aside', () => {
  const pile = new Pile(PHOTOS);
  pile.decided(decided('set-aside', 'a', null, null));
  expect([pile.current?.path, pile.count('all')]).toEqual(['b', 3]);
  pile.decided(decided('undo', 'a', 'hat', null));
  expect(pile.current).toMatchObject({ path: 'a', label: 'hat', reasons: PHOTOS[0].reasons });
  expect(pile.count('all')).toBe(4);
});

test('an undo shows a photo that the filter does not', () => {
  const pile = new Pile(PHOTOS);
  pile.show('not-sure');
  pile.decided(decided('undo', 'a', 'hat', null));
  expect(pile.current?.path).toBe('a');
});

test('an undo brings back a photo that the page was not told of', () => {
  const pile = new Pile(PHOTOS);
  pile.move(1);
  expect([pile.knows('b'), pile.knows('z')]).toEqual([true, false]);
  pile.reload([...PHOTOS, photo('z')]);
  expect(pile.current?.path).toBe('b');
  pile.decided(decided('undo', 'z', 'hat', null));
  expect([pile.current?.path, pile.knows('z'), pile.count('all')]).toEqual(['z', true, 5]);
});

test('the strongest suggestion of another label', () => {
  expect(suggestionFor(PHOTOS[1])).toBe('other0');
  expect(suggestionFor({ ...PHOTOS[1], label: 'other0' })).toBe('other1');
  expect(suggestionFor(PHOTOS[3])).toBeNull();
});

test('what visitors say is a filter of its own, and a new photo is known as one until it was decided on', () => {
  const sent = photo('.feedback/00ff', 'feedback');
  const pile = new Pile([...PHOTOS, sent]);
  pile.show('feedback');
  expect([pile.length, pile.current]).toEqual([1, sent]);
  expect([isNewcomer(sent.path), isNewcomer('feedback/1.jpg')]).toEqual([true, false]);
  expect(addressOf(sent)).toBe('photos/.feedback/00ff');
  pile.decided(decided('relabel', sent.path, 'cap', '2026'));
  expect([pile.current, pile.count('feedback')]).toEqual([null, 0]);
  pile.decided(decided('undo', sent.path, 'hat', null));
  expect(pile.current).toMatchObject({ path: sent.path, label: 'hat', reviewed: null });
});

test('it is known which photos were loaded', () => {
  const pile = new Pile(PHOTOS);
  expect([pile.knows('a'), pile.knows('.feedback/00ff')]).toEqual([true, false]);
  pile.decided(decided('set-aside', 'a', null, null));
  expect(pile.knows('a')).toBe(true);
});
