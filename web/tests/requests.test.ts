import { expect, test } from 'vitest';
import { Requests } from '../src/privacy/requests.ts';

test('only what began after loading is counted, in its order', () => {
  const requests = new Requests();
  let changes = 0;
  requests.onChange = () => changes++;
  requests.add('page', [{ url: 'https://h/a', at: 10 }]);
  expect(requests.sinceLoading()).toEqual([]);
  requests.loaded(100);
  requests.add('worker', [{ url: 'https://h/model', at: 90 }]); // told late
  expect(requests.sinceLoading()).toEqual([]);
  requests.add('service-worker', [{ url: 'https://h/c', at: 120 }], true);
  requests.add('page', [{ url: 'https://h/b', at: 110 }]);
  expect(requests.sinceLoading().map(({ url, by, refused }) => [url, by, refused])).toEqual([
    ['https://h/b', 'page', false],
    ['https://h/c', 'service-worker', true],
  ]);
  expect(changes).toBe(5);
});

test('addresses are those that page and worker asked for, each once', () => {
  const requests = new Requests();
  requests.add('page', [{ url: 'https://h/a', at: 1 }]);
  requests.add('worker', [
    { url: 'https://h/a', at: 2 },
    { url: 'https://h/b', at: 3 },
  ]);
  requests.add('service-worker', [{ url: 'https://h/c', at: 4 }]);
  expect(requests.addresses()).toEqual(['https://h/a', 'https://h/b']);
});
