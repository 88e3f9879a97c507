import { beforeEach, describe, expect, test } from 'vitest';
import { FailureError } from '../src/failure.ts';
import type { Answer } from '../src/protocol.ts';
import { type Example, LIMITS } from '../src/teach/example.ts';
import { passingStore, type Store } from '../src/teach/store.ts';
import { type Classifier, Teacher } from '../src/teach/teacher.ts';

const problem = (code: string, facts: object = {}) =>
  expect.objectContaining({ problem: { code, ...facts } }) as unknown as Error;

/** A photo whose name is what it shows: a letter, then what makes it another photo. */
const photo = (name: string) => new File([name], name);
const EMBEDDINGS: Record<string, number[]> = { a: [1, 0.1, 0], b: [0, 1, 0.1], c: [0.1, 0, 1] };
const example = (label: string, name: string): Example => ({
  label,
  sha256: name,
  embedding: Float32Array.from(EMBEDDINGS[name[0]] ?? []),
  thumbnail: null,
});

let open: number;
let running: number;
let most: number;
let changes: number;
let store: Store;
let teacher: Teacher;

function answerOf(name: string): Answer {
  const [r, g, b] = EMBEDDINGS[name[0]];
  open++;
  return {
    embedding: Float32Array.of(r, g, b + name.length / 1000),
    inputSha256: name,
    thumbnail: Promise.resolve({ close: () => open-- }),
  } as unknown as Answer;
}

const classifier: Classifier = {
  async classify(file, signal) {
    most = Math.max(most, ++running);
    const name = await file.text();
    await new Promise((resolve) => setTimeout(resolve));
    running--;
    signal.throwIfAborted();
    if (!(name[0] in EMBEDDINGS)) throw new FailureError({ code: 'not_an_image', bytes: name.length });
    return answerOf(name);
  },
};
const never = new AbortController().signal;
const teach = (label: string, names: string[], signal = never, progressed: (done: number) => void = () => undefined) =>
  teacher.teach(label, names.map(photo), classifier, signal, progressed);
const taught = () => teacher.examples.map(({ label, sha256 }) => `${label}: ${sha256}`);

beforeEach(async () => {
  open = running = most = changes = 0;
  store = passingStore();
  teacher = new Teacher(
    Promise.resolve(store),
    () => Promise.resolve(Uint8Array.of(255, 216, 255)),
    () => changes++,
  );
  await teacher.refresh();
});

describe('teaching', () => {
  test('keeps what the network makes of each photo, here and in the store, and closes the pictures', async () => {
    const done: number[] = [];
    expect(await teach('Mug', ['a', 'a1', 'a2'], never, (number) => done.push(number))).toEqual({
      added: 3,
      already: 0,
      failed: [],
    });
    expect(done).toEqual([1, 2, 3]);
    expect(open).toBe(0);
    expect(most).toBe(2);
    expect(await store.all()).toEqual(teacher.examples);
    const [first] = teacher.examples;
    expect(first).toMatchObject({ label: 'Mug', sha256: 'a', thumbnail: Uint8Array.of(255, 216, 255) });
    expect(first.embedding).toEqual(Float32Array.of(1, 0.1, 0.001));
  });

  test('takes a photo once, however often and under whatever label it is given', async () => {
    expect(await teach('Mug', ['a', 'a', 'b'])).toMatchObject({ added: 2, already: 1 });
    expect(await teach('Cup', ['a', 'c'])).toMatchObject({ added: 1, already: 1 });
    expect(taught()).toEqual(['Mug: a', 'Mug: b', 'Cup: c']);
    expect(open).toBe(0);
  });

  test('says of each photo that cannot be read what is wrong, and goes on', async () => {
    expect(await teach('Mug', ['notes', 'a'])).toEqual({
      added: 1,
      already: 0,
      failed: [{ name: 'notes', failure: { code: 'not_an_image', bytes: 5 } }],
    });
  });

  test('can be stopped; what is done stays', async () => {
    const controller = new AbortController();
    const names = Array.from({ length: 20 }, (_, index) => `a${index}`);
    const outcome = await teach('Mug', names, controller.signal, (done) => {
      if (done === 4) controller.abort();
    });
    expect(outcome.added).toBeGreaterThanOrEqual(4);
    expect(outcome.added).toBeLessThan(8);
    expect(outcome.failed).toEqual([]);
    expect(teacher.examples).toHaveLength(outcome.added);
    expect(open).toBe(0);
  });

  test('a label is found again whatever its case, and checked before any photo is read', async () => {
    await teach('Mug', ['a']);
    await teach(' mUG ', ['a1']);
    expect(taught()).toEqual(['Mug: a', 'Mug: a1']);
    await expect(teach(' ', ['b'])).rejects.toThrow(problem('label_missing'));
    const many = Array.from({ length: LIMITS.photos }, (_, index) => `b${index}`);
    await expect(teach('Cup', many)).rejects.toThrow(problem('too_many_photos', { allowed: LIMITS.photos }));
    expect(taught()).toHaveLength(2);
    await teacher.take(Array.from({ length: LIMITS.labels - 1 }, (_, index) => example(`${index}`, `c${index}`)));
    await expect(teach('one more', ['b'])).rejects.toThrow(problem('too_many_labels', { allowed: LIMITS.labels }));
  });

  test('a store that is full is said, and nothing is shown as kept', async () => {
    store.add = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
    await expect(teach('Mug', ['a', 'b', 'c'])).rejects.toThrow(problem('storage_failed', { reason: 'full' }));
    await expect(teacher.teachAnswered('Mug', photo('a'), answerOf('a'))).rejects.toThrow(
      problem('storage_failed', { reason: 'full' }),
    );
    expect(teacher.examples).toEqual([]);
  });
});

test('a photo that has its answer becomes an example as it is', async () => {
  await teacher.teachAnswered('Mug', photo('a'), answerOf('a'));
  expect(taught()).toEqual(['Mug: a']);
  expect(teacher.exampleOf(answerOf('a'))?.label).toBe('Mug');
  expect(teacher.exampleOf(answerOf('b'))).toBeUndefined();
});

test('two labels answer, one does not', async () => {
  await teach('Mug', ['a', 'a1']);
  expect(teacher.judge(answerOf('a2'))).toBeNull();
  await teach('Cup', ['b', 'b1']);
  expect(teacher.judge(answerOf('a234'))?.nearest).toBe('Mug');
  expect(teacher.judge(answerOf('b234'))?.nearest).toBe('Cup');
  await teacher.forget(teacher.examples.filter(({ label }) => label === 'Cup'));
  expect(teacher.judge(answerOf('b2'))).toBeNull();
  expect(await store.all()).toEqual(teacher.examples);
});

test('a file that spells a label in two ways teaches one label', async () => {
  await teacher.take([example('Mug', 'a'), example('mug', 'b')]);
  expect(taught()).toEqual(['Mug: a', 'Mug: b']);
});

test('what a file taught is added, but for photos that are here and cases of labels that are', async () => {
  await teach('Mug', ['a']);
  const before = changes;
  expect(await teacher.take([example('Cup', 'a'), example('MUG', 'a1'), example('Cup', 'b')])).toEqual({
    added: 2,
    already: 1,
  });
  expect(taught()).toEqual(['Mug: a', 'Mug: a1', 'Cup: b']);
  expect(changes).toBe(before + 1);
  const many = Array.from({ length: LIMITS.photos }, (_, index) => example('Cup', `c${index}`));
  await expect(teacher.take(many)).rejects.toThrow(problem('too_many_photos', { allowed: LIMITS.photos }));
  expect(taught()).toHaveLength(3);
});

test('what another tab did is read', async () => {
  await teach('Mug', ['a', 'a1']);
  await store.remove(['a']);
  await store.add([example('Cup', 'b')]);
  const before = changes;
  await teacher.refresh();
  expect(taught()).toEqual(['Mug: a1', 'Cup: b']);
  expect(changes).toBe(before); // or tabs would call each other for ever
});

test('what other models were taught is counted, and can be forgotten', async () => {
  store.countOthers = () => Promise.resolve(3);
  await teacher.refresh();
  expect(teacher.others).toBe(3);
  await teacher.forgetOthers();
  expect(teacher.others).toBe(0);
});
