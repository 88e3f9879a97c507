/**
 * What the panels that send photos have in common, for their tests.
 */
import { expect } from 'vitest';
import { RefusalError } from '../src/requests/request.ts';
import type { Refusal } from '../src/requests/request.ts';
import type { Language } from '../src/text.ts';

/** The refusal that a request ends with. */
export async function refusalOf(request: Promise<unknown>): Promise<Refusal> {
  const error = await request.catch((thrown: unknown) => thrown);
  if (!(error instanceof RefusalError)) throw error;
  return error.refusal;
}

/** A problem as the server tells it. */
export function problem(code: string, status: number): Refusal {
  return { kind: 'problem', code, status, retryAfter: 7 };
}

/**
 * See that a panel has a sentence of its language for every refusal.
 *
 * @param codes with which the server refuses the panel's request.
 */
export function expectSentences(
  texts: Readonly<Record<Language, { readonly refused: (refusal: Refusal) => string }>>,
  codes: readonly string[],
): void {
  const common = ['unsupported_format', 'not_an_image', 'broken_image'];
  const refusals = [
    { kind: 'unreachable' } as const,
    { kind: 'late' } as const,
    ...[...codes, ...common].map((code) => problem(code, 400)),
    ...[413, 429].map((status) => problem('', status)),
  ];
  for (const [language, pattern] of [
    ['en', /^[A-Z].*\.$/],
    ['zh', /^[\u4e00-\u9fff].*。$/],
  ] as const) {
    const { refused } = texts[language];
    const unknown = refused(problem('internal', 500));
    expect(unknown).toContain('internal');
    for (const refusal of refusals) {
      expect(refused(refusal)).toMatch(pattern);
      expect(refused(refusal)).not.toContain('problem');
    }
    for (const code of [...codes, ...common]) {
      expect(refused(problem(code, 500)), code).not.toBe(unknown.replace('internal', code));
    }
    expect(refused(problem('overloaded', 429))).toContain('7');
    expect(refused(problem('', 502))).toContain('502');
    expect(refused(problem('constructor', 500)), 'a code that every object has').toContain('constructor');
  }
}
