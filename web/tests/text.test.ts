import { expect, test } from 'vitest';
import type { Failure } from '../src/failure.ts';
import { chooseLanguage, failureText, megabytesText, percentText, TEXTS } from '../src/text.ts';

const FAILURES: Failure[] = [
  { code: 'not_an_image', bytes: 10 },
  { code: 'unsupported_format', name: 'HEIC' },
  { code: 'server_only_format', format: 'tiff' },
  { code: 'broken_image', format: 'png' },
  { code: 'too_many_pixels', width: 20000, height: 10000, allowed: 120_000_000 },
  { code: 'unreadable_file' },
  { code: 'perturbed_pixels' },
  { code: 'model_not_found', path: 'model/current' },
  { code: 'invalid_contract', reason: 'labels: missing' },
  { code: 'invalid_model', path: 'tfjs/model.json' },
  { code: 'no_decompression' },
  { code: 'no_backend' },
  { code: 'internal', reason: 'why' },
];

test('every failure is worded in both languages, with its facts', () => {
  expect(FAILURES.map(({ code }) => code).sort()).toEqual(Object.keys(TEXTS.en.failures).sort());
  for (const failure of FAILURES) {
    const [english, chinese] = [failureText(failure, 'en'), failureText(failure, 'zh')];
    expect(chinese).toMatch(/\p{Script=Han}/u);
    expect(english).not.toMatch(/\p{Script=Han}|undefined/u);
    for (const fact of Object.entries(failure).filter(([key]) => ['name', 'path', 'reason', 'width'].includes(key))) {
      expect(english).toContain(String(fact[1]));
      expect(chinese).toContain(String(fact[1]));
    }
  }
});

test('the megapixels of the limit are said in the language’s own unit', () => {
  expect(failureText(FAILURES[4], 'en')).toContain('120 megapixels');
  expect(failureText(FAILURES[4], 'zh')).toContain('12000 万像素');
});

test('percentages never round a small score to nothing', () => {
  expect(percentText(0.97345, 'en')).toBe('97.3%');
  expect(percentText(0.00004, 'en')).toBe('<0.1%');
  expect(percentText(0, 'en')).toBe('0.0%');
});

test('megabytes', () => {
  expect(megabytesText(4_534_271, 'en')).toBe('4.5 MB');
});

test.each([
  ['?lang=zh', ['en-GB'], 'zh'],
  ['?lang=en', ['zh-CN'], 'en'],
  ['?lang=fr', ['zh-Hans-CN', 'en'], 'zh'],
  ['', ['fr-FR', 'zh-TW'], 'zh'],
  ['', ['de-DE'], 'en'],
  ['', [], 'en'],
])('%s with a browser in %j speaks %s', (query, preferred, language) => {
  expect(chooseLanguage(query, preferred)).toBe(language);
});
