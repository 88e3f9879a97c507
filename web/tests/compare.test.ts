import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { compareAnswers } from '../src/compare/difference.ts';
import { ask } from '../src/compare/server.ts';
import { COMPARE_TEXTS } from '../src/compare/text.ts';
import { expectSentences, refusalOf } from './refusals.ts';

describe('compareAnswers', () => {
  const names = ['hat', 'shoe', 'dress'];

  test('lists the best of both, and names the largest difference', () => {
    const there = new Map([
      ['hat', 0.1],
      ['shoe', 0.15],
      ['dress', 0.75],
    ]);
    const { rows, largest, agreed } = compareAnswers(names, [0.7, 0.2, 0.1], there, 1);
    expect(rows).toEqual([
      { index: 0, here: 0.7, there: 0.1 },
      { index: 2, here: 0.1, there: 0.75 },
    ]);
    expect(largest.index).toBe(2);
    expect(agreed).toBe(false);
  });

  test('equal answers agree and differ by nothing', () => {
    const { largest, agreed } = compareAnswers(
      names,
      [0.7, 0.2, 0.1],
      new Map(names.map((name, i) => [name, [0.7, 0.2, 0.1][i]])),
      2,
    );
    expect(agreed).toBe(true);
    expect(largest.here - largest.there).toBe(0);
  });

  test('a label that the server does not have counts as 0', () => {
    expect(compareAnswers(names, [1, 0, 0], new Map(), 1).largest).toEqual({ index: 0, here: 1, there: 0 });
  });
});

describe('ask', () => {
  const address = new URL('https://host.example/v1/classify');
  const model = { name: 'm', version: 'v1', digest: 'd' };
  let asked: { url: string; options: RequestInit }[];
  let answer: () => Promise<Response>;

  beforeEach(() => {
    asked = [];
    vi.stubGlobal('fetch', (url: URL, options: RequestInit) => {
      asked.push({ url: url.href, options });
      return answer();
    });
  });
  afterEach(() => vi.unstubAllGlobals());

  const refusal = () => refusalOf(ask(address, new Blob(['x']), 3));

  test('sends the picture as it is and asks for every label', async () => {
    answer = () => Promise.resolve(Response.json({ predictions: [{ label: 'hat', score: 0.5 }], model }));
    const picture = new Blob(['picture']);
    const found = await ask(address, picture, 10);
    expect(asked.map(({ url }) => url)).toEqual(['https://host.example/v1/classify?top_k=10']);
    expect(asked[0].options).toMatchObject({ method: 'POST', body: picture });
    expect(found.scores).toEqual(new Map([['hat', 0.5]]));
    expect(found.model).toEqual(model);
    expect(found.milliseconds).toBeGreaterThanOrEqual(0);
  });

  test('a problem has its code, its status, and when to come back', async () => {
    answer = () =>
      Promise.resolve(Response.json({ code: 'overloaded' }, { status: 429, headers: { 'Retry-After': '7' } }));
    expect(await refusal()).toEqual({ kind: 'problem', code: 'overloaded', status: 429, retryAfter: 7 });
  });

  test('what a proxy says is no problem of ours, and has its status', async () => {
    answer = () => Promise.resolve(new Response('<h1>413</h1>', { status: 413 }));
    expect(await refusal()).toEqual({ kind: 'problem', code: '', status: 413, retryAfter: null });
  });

  test('no network, and an answer that is none', async () => {
    answer = () => Promise.reject(new TypeError('Failed to fetch'));
    expect(await refusal()).toEqual({ kind: 'unreachable' });
    answer = () => Promise.resolve(new Response('<html>'));
    expect(await refusal()).toEqual({ kind: 'unreachable' });
    answer = () => Promise.reject(new DOMException('', 'TimeoutError'));
    expect(await refusal()).toEqual({ kind: 'late' });
  });
});

test('every refusal has words in both languages', () => {
  expectSentences(COMPARE_TEXTS, [
    'overloaded',
    'not_ready',
    'body_too_large',
    'too_many_pixels',
    'upload_timeout',
    'timeout',
  ]);
});
