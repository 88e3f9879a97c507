import { describe, expect, test } from 'vitest';
import { FailureError } from '../src/failure.ts';
import { byLabel, type Example } from '../src/teach/example.ts';
import type { Learned, Quality } from '../src/teach/learn.ts';
import { wilson } from '../src/teach/learn.ts';
import { ProblemError } from '../src/teach/problem.ts';
import { qualityText, taughtText, troubleText } from '../src/teach/sentences.ts';
import { problemText, TEACH_TEXTS } from '../src/teach/texts.ts';

const groups = (...counts: number[]) =>
  byLabel(
    counts.flatMap((count, label) =>
      Array.from({ length: count }, (_, index): Example => {
        return { label: `${label}`, sha256: `${label}-${index}`, embedding: new Float32Array(1), thumbnail: null };
      }),
    ),
  );
const learned = (right: number, tested: number) => {
  const quality: Quality = { tested, right, refused: 0, interval: tested > 0 ? wilson(right, tested) : null };
  return { quality } as Learned;
};

describe('how good it is', () => {
  test('is counted, with an interval and how far that can be believed', () => {
    expect(qualityText(groups(6, 6), learned(11, 12), 'en')).toBe(
      'Each photo left out in turn and answered from the others: 11 of 12 right. Of new photos like these, between 65% and 99% would be (95 % interval). With so few photos that says little. Add some, from different days, sides and backgrounds.',
    );
    expect(qualityText(groups(20, 20), learned(39, 40), 'en')).toContain('Photos of one moment are alike');
    expect(qualityText(groups(1, 6), learned(6, 6), 'en')).toContain(
      'A label with a single photo could not be tested.',
    );
    expect(qualityText(groups(6, 6), learned(11, 12), 'zh')).toContain('12 张中对了 11 张');
  });

  test('is not made up where nothing is known', () => {
    expect(qualityText(groups(), null, 'en')).toBe('');
    expect(qualityText(groups(3), null, 'en')).toContain('One more label');
    expect(qualityText(groups(1, 1), learned(0, 0), 'en')).toContain('cannot be said yet');
  });
});

test('what came of photos is said in one line', () => {
  const failed = (name: string) => ({ name, failure: { code: 'unreadable_file' as const } });
  expect(taughtText('Mug', { added: 1, already: 0, failed: [] }, false, 'en')).toBe('1 photo added to “Mug”.');
  expect(taughtText('Mug', { added: 0, already: 2, failed: [] }, true, 'en')).toBe(
    'Stopped; what had been learned stays. 2 photos were there already and are left where they are.',
  );
  const many = { added: 2, already: 0, failed: ['a', 'b', 'c', 'd', 'e'].map(failed) };
  const text = taughtText('Mug', many, false, 'en');
  expect(text).toContain('c: This file could not be read.');
  expect(text).not.toContain('d:');
  expect(text).toContain('2 more photos could not be read.');
  expect(taughtText('Mug', many, false, 'zh')).toContain('还有 2 张照片无法读取。');
});

test('whatever goes wrong has words', () => {
  expect(troubleText(new ProblemError({ code: 'label_missing' }), 'en')).toContain('Write the label first');
  expect(troubleText(new FailureError({ code: 'unreadable_file' }), 'en')).toContain('could not be read');
  expect(troubleText(new Error('surprise'), 'en')).toContain('surprise');
  const large = { code: 'file_too_large' as const, bytes: 40_000_001, allowed: 33_554_432 };
  expect(problemText(large, 'en')).toBe('This file is too large (40.1 MB): at most 33.6 MB are read.');
});

test('every word is in Chinese too', () => {
  const { static: words, problems, ...sentences } = TEACH_TEXTS.zh;
  const said = [
    ...Object.values(words),
    ...Object.values(problems).map((word) => (word as (facts: object) => string)({})),
    ...Object.values(sentences).map((word) =>
      typeof word === 'string' ? word : (word as (...facts: unknown[]) => string)(1, 2, 3, 4),
    ),
  ];
  expect(said.length).toBeGreaterThan(50);
  expect(said.filter((text) => !/[\u4e00-\u9fff，：]/.test(text))).toEqual([]);
});
