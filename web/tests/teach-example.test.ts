import { describe, expect, test } from 'vitest';
import { type Example, labelName, LIMITS, requireRoom, sameLabel } from '../src/teach/example.ts';
import { fromBase64, toBase64 } from '../src/teach/base64.ts';

const problem = (code: string, facts: object = {}) =>
  expect.objectContaining({ problem: { code, ...facts } }) as unknown as Error;

describe('a label', () => {
  test.each([
    ['Mug', 'Mug'],
    ['  my \t old\nmug ', 'my old mug'],
    ['cafe\u0301', 'caf\u00e9'],
    ['a\u0000b', 'a b'],
    ['自行车', '自行车'],
    ['__proto__', '__proto__'],
    ['😀'.repeat(LIMITS.characters), '😀'.repeat(LIMITS.characters)],
  ])('%j is kept as %j', (typed, kept) => {
    expect(labelName(typed)).toBe(kept);
    expect(labelName(kept)).toBe(kept);
  });

  test('must be there, and not too long', () => {
    for (const nothing of ['', '   ', '\n\u0000']) expect(() => labelName(nothing)).toThrow(problem('label_missing'));
    const long = 'x'.repeat(LIMITS.characters + 1);
    expect(() => labelName(long)).toThrow(problem('label_too_long', { allowed: LIMITS.characters }));
  });

  test('is the same whatever the case of its letters', () => {
    expect(sameLabel(['Mug', 'Élan'], 'mUG')).toBe('Mug');
    expect(sameLabel(['Mug', 'Élan'], 'élan')).toBe('Élan');
    expect(sameLabel(['Mug'], 'Mugs')).toBeUndefined();
  });
});

test('room is for so many photos under so many labels', () => {
  const examples = (photos: number, labels: number) =>
    Array.from({ length: photos }, (_, index): Example => {
      return { label: `${index % labels}`, sha256: `${index}`, embedding: new Float32Array(1), thumbnail: null };
    });
  requireRoom(examples(LIMITS.photos, LIMITS.labels));
  expect(() => requireRoom(examples(LIMITS.photos + 1, 1))).toThrow(
    problem('too_many_photos', { allowed: LIMITS.photos }),
  );
  expect(() => requireRoom(examples(100, LIMITS.labels + 1))).toThrow(
    problem('too_many_labels', { allowed: LIMITS.labels }),
  );
});

describe('base64', () => {
  test.each([0, 1, 2, 3, 255, 0x8000, 0x8001, 100_000])('of %i bytes is what Node makes of them', (length) => {
    const bytes = Uint8Array.from({ length }, (_, index) => (index * 31) & 255);
    expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
    expect(Buffer.compare(fromBase64(toBase64(bytes)) ?? new Uint8Array(9), bytes)).toBe(0);
  });

  test.each(['A', 'AB', 'ABC', 'A===', 'AB=C', 'AA A', 'AA\nA', 'AA-_', '====', 'AAAA=', 'ÄÄÄÄ'])(
    'is not what %j is',
    (text) => expect(fromBase64(text)).toBeNull(),
  );
});
