import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { formOf, say } from '../src/feedback/send.ts';
import { FEEDBACK_TEXTS } from '../src/feedback/text.ts';
import { isQuestion } from '../src/offline/routes.ts';
import { PRIVACY_TEXTS } from '../src/privacy/text.ts';
import { expectSentences, problem, refusalOf } from './refusals.ts';

const ADDRESS = new URL('https://host.example/v1/feedback');
const photo = new File(['photo'], 'holiday with ana.jpg', { type: 'image/jpeg' });
const word = { file: photo, label: 'hat', model: 'd'.repeat(64) };

test('what is sent is the file without its name, the label and the model, and nothing else', async () => {
  const form = formOf(word);
  expect([...form.keys()]).toEqual(['image', 'label', 'model']);
  const image = form.get('image') as File;
  expect(image.name).toBe('photo');
  expect(await image.text()).toBe('photo');
  expect([form.get('label'), form.get('model')]).toEqual(['hat', word.model]);
  expect(formOf({ ...word, label: null }).get('label')).toBe('');
});

describe('say', () => {
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

  const refusal = () => refusalOf(say(ADDRESS, word));

  test('is one request, and tells what was kept', async () => {
    answer = () => Promise.resolve(Response.json({ id: '7', label: null, predicted: 'hat' }, { status: 201 }));
    expect(await say(ADDRESS, word)).toEqual({ id: '7', label: null });
    expect(asked.map(({ url }) => url)).toEqual([ADDRESS.href]);
    expect(asked[0].options).toMatchObject({ method: 'POST', cache: 'no-store' });
  });

  test('a problem has its code, and when to come back', async () => {
    answer = () =>
      Promise.resolve(Response.json({ code: 'feedback_rate' }, { status: 429, headers: { 'Retry-After': '9' } }));
    expect(await refusal()).toEqual({ kind: 'problem', code: 'feedback_rate', status: 429, retryAfter: 9 });
  });

  test('an answer of something else is none', async () => {
    for (const body of [{}, { id: 7, label: 'hat' }, { id: '7' }, null, []]) {
      answer = () => Promise.resolve(Response.json(body));
      expect(await refusal()).toEqual({ kind: 'unreachable' });
    }
  });
});

test('the service worker lets it pass, as it does the comparison', () => {
  const base = 'https://host.example/some/path/';
  for (const path of ['v1/classify', 'v1/classify?top_k=3', 'v1/feedback']) {
    expect(isQuestion(base + path, base)).toBe(true);
  }
  for (const path of ['v1/feedback?photo=1', 'v1/feedback/7/photo', 'v1/feedbacks', 'x/v1/feedback']) {
    expect(isQuestion(base + path, base)).toBe(false);
  }
});

test('the page says when it connects to the server', () => {
  expect(PRIVACY_TEXTS.en.server('host', false)).not.toContain('right');
  expect(PRIVACY_TEXTS.en.server('host', true)).toContain('or say whether an answer is right.');
  expect(PRIVACY_TEXTS.zh.server('host', false)).not.toEqual(PRIVACY_TEXTS.zh.server('host', true));
});

test('every refusal has words in both languages', () => {
  expectSentences(FEEDBACK_TEXTS, [
    'feedback_rate',
    'feedback_quota',
    'feedback_full',
    'feedback_unavailable',
    'overloaded',
    'not_ready',
    'unknown_label',
    'body_too_large',
    'too_many_pixels',
    'upload_timeout',
    'timeout',
  ]);
  expect(FEEDBACK_TEXTS.en.refused(problem('feedback_rate', 429))).toContain('7');
});
