import { describe, expect, test } from 'vitest';
import type { Example } from '../src/teach/example.ts';
import { learn, type Learned, wilson } from '../src/teach/learn.ts';
import golden from './golden/teach.json';

const example = (label: string, sha256: string, embedding: ArrayLike<number>): Example => ({
  label,
  sha256,
  embedding: Float32Array.from(embedding),
  thumbnail: null,
});
const learned = (examples: readonly Example[]): Learned => {
  const found = learn(examples);
  if (!found) throw new Error('nothing was learned');
  return found;
};
const PRECISION = 9;

describe.each(golden.map((each, index) => ({ index, ...each })))('case $index of NumPy', (wanted) => {
  const found = learned(
    wanted.embeddings.map((embedding, index) => example(`label ${wanted.targets[index]}`, `${index}`, embedding)),
  );
  const name = (label: number | null) => (label === null ? null : `label ${label}`);

  test('is learned to the same threshold, and left out to the same answers', () => {
    expect(found.threshold).toBeCloseTo(wanted.threshold, PRECISION);
    const answers = Object.entries(wanted.left_out as Record<string, number | null>);
    expect(Object.fromEntries(found.leftOut)).toEqual(
      Object.fromEntries(answers.map(([index, label]) => [index, name(label)])),
    );
    expect(found.quality.tested).toBe(answers.length);
    expect(found.quality.right).toBe(wanted.right.reduce((sum, right) => sum + right));
    expect(found.labels.map((label) => found.byLabel.get(label)?.right)).toEqual(wanted.right);
  });

  test('is answered alike', () => {
    for (const { embedding, nearest, label, likeness, score } of wanted.queries) {
      const judgement = found.judge(Float32Array.from(embedding));
      expect(judgement).toMatchObject({ nearest: name(nearest), label: name(label) });
      expect(judgement.likeness).toBeCloseTo(likeness, PRECISION);
      expect(judgement.score).toBeCloseTo(score, PRECISION);
    }
  });
});

test('the golden cases have everything in them', () => {
  const answers = golden.flatMap(({ queries }) => queries.map(({ label }) => label));
  expect(answers).toContain(null);
  expect(answers.filter((label) => label !== null).length).toBeGreaterThan(5);
  const leftOut = golden.flatMap((each) =>
    Object.entries(each.left_out as Record<string, number | null>).map(([index, label]) => [
      label,
      each.targets[Number(index)],
    ]),
  );
  expect(leftOut.some(([label]) => label === null)).toBe(true);
  expect(leftOut.some(([label, target]) => label !== null && label !== target)).toBe(true);
});

/** Photos of three things, with noise that a linear congruential generator makes. */
function photos(each: number): Example[] {
  let state = 1;
  const noise = () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  return Array.from({ length: 3 * each }, (_, index) => {
    const embedding = Array.from({ length: 32 }, (_, at) => noise() + (at % 3 === index % 3 ? 0.6 : 0));
    return example('abc'[index % 3], `${index}`, embedding);
  });
}

test('leaving a photo out is learning from the others', () => {
  const examples = photos(7);
  const all = learned(examples);
  for (const [index, { sha256, embedding }] of examples.entries()) {
    const others = learned(examples.filter((_, other) => other !== index));
    const { nearest, likeness } = others.judge(embedding);
    expect(all.leftOut.get(sha256)).toBe(likeness >= all.threshold - 1e-9 ? nearest : null);
  }
});

test('the same examples in another order teach the same', () => {
  const examples = photos(5);
  const one = learned(examples);
  const other = learned([...examples].reverse());
  expect(other.labels).toEqual([...one.labels].reverse());
  expect(other.threshold).toBeCloseTo(one.threshold, PRECISION);
  const [first] = photos(1);
  expect(other.judge(first.embedding).score).toBeCloseTo(one.judge(first.embedding).score, PRECISION);
});

test('how bright a photo makes the network does not matter', () => {
  const examples = photos(4);
  const found = learned(examples);
  const [{ embedding }] = photos(1);
  const brighter = found.judge(embedding.map((value) => value * 50));
  expect(brighter.likeness).toBeCloseTo(found.judge(embedding).likeness, 6);
});

test('one label, or none, teaches nothing', () => {
  expect(learn([])).toBeNull();
  expect(learn(photos(3).filter(({ label }) => label === 'a'))).toBeNull();
});

test('labels of one photo each answer, and say nothing of how good they are', () => {
  const found = learned(photos(1));
  expect(found.quality).toEqual({ tested: 0, right: 0, refused: 0, interval: null });
  expect(found.leftOut.size).toBe(0);
  for (const { label, embedding } of photos(1)) expect(found.judge(embedding).label).toBe(label);
});

test('a label of one photo is told apart from those that could be tested', () => {
  const found = learned([...photos(3), example('d', 'single', photos(1)[0].embedding)]);
  expect(found.byLabel.get('d')).toEqual({ tested: 0, right: 0, refused: 0, interval: null });
  expect(found.quality.tested).toBe(9);
});

test('embeddings that say nothing give numbers all the same', () => {
  const zeros = new Float32Array(4);
  const alike = Float32Array.of(1, 2, 3, 4);
  for (const embedding of [zeros, alike]) {
    const found = learned(['a', 'a', 'b', 'b'].map((label, index) => example(label, `${index}`, embedding)));
    for (const asked of [zeros, alike]) {
      const { score, likeness } = found.judge(asked);
      expect(score).toBeCloseTo(0.5);
      expect(likeness).toBeCloseTo(asked === alike && embedding === alike ? 1 : 0);
    }
  }
});

test('few photos, however well told apart, are no certainty', () => {
  const found = learned(photos(3));
  expect(found.quality.right).toBe(9);
  for (const { embedding } of photos(3)) expect(found.judge(embedding).score).toBeLessThan(0.99);
});

test.each([
  [0, 1, 0, 0.793],
  [1, 1, 0.207, 1],
  [9, 10, 0.596, 0.982],
  [95, 100, 0.888, 0.978],
])('of %i right of %i the 95 %% interval is %f to %f', (right, n, low, high) => {
  const found = wilson(right, n);
  expect(found[0]).toBeCloseTo(low, 3);
  expect(found[1]).toBeCloseTo(high, 3);
});
