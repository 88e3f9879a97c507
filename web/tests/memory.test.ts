import { afterEach, expect, test, vi } from 'vitest';
import { forget, keyOf, recall, remember } from '../src/memory.ts';

afterEach(() => vi.unstubAllGlobals());

test('a choice holds for one model, one TensorFlow.js, one browser, isolated or not', () => {
  const key = keyOf('digest', '4.22.0', 'Browser 1', true);
  expect(key).toBe(keyOf('digest', '4.22.0', 'Browser 1', true));
  const others = [
    keyOf('other', '4.22.0', 'Browser 1', true),
    keyOf('digest', '4.23.0', 'Browser 1', true),
    keyOf('digest', '4.22.0', 'Browser 2', true),
    keyOf('digest', '4.22.0', 'Browser 1', false),
  ];
  expect(new Set([key, ...others]).size).toBe(5);
});

test.each([
  ['there is no IndexedDB', undefined],
  [
    'it may not be used',
    {
      open: () => {
        throw new DOMException('denied', 'SecurityError');
      },
    },
  ],
])('where %s nothing is remembered, and nothing fails', async (_, indexedDB) => {
  vi.stubGlobal('indexedDB', indexedDB);
  await remember('key', 'webgl', new Map());
  await forget();
  expect(await recall('key')).toBeNull();
});
