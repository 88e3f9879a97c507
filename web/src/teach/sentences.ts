/**
 * Sentences that depend on what was found, put together from the words of texts.ts.
 */
import { failureOf } from '../failure.ts';
import { failureText, type Language } from '../text.ts';
import type { Example } from './example.ts';
import type { Learned } from './learn.ts';
import { ProblemError } from './problem.ts';
import type { Taught } from './teacher.ts';
import { problemText, TEACH_TEXTS } from './texts.ts';

/** Below this many tested photos the 95 % interval can be a third wide. */
const FEW = 30;
/** Photos that could not be read which are said by name. */
const NAMED = 3;

/** How good it is, and how far that can be believed. */
export function qualityText(
  groups: ReadonlyMap<string, readonly Example[]>,
  learned: Learned | null,
  language: Language,
): string {
  const texts = TEACH_TEXTS[language];
  if (groups.size === 0) return '';
  if (!learned) return texts.oneMoreLabel;
  const { tested, right, interval } = learned.quality;
  if (!interval) return texts.notTested;
  const percent = new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 0 });
  const sentences = [texts.quality(right, tested, percent.format(interval[0]), percent.format(interval[1]))];
  if ([...groups.values()].some(({ length }) => length === 1)) sentences.push(texts.someUntested);
  sentences.push(tested < FEW ? texts.fewTested : texts.manyTested);
  return joined(sentences, language);
}

/** What came of photos that were given as examples. */
export function taughtText(label: string, taught: Taught, stopped: boolean, language: Language): string {
  const texts = TEACH_TEXTS[language];
  const sentences = [];
  if (stopped) sentences.push(texts.stopped);
  if (!stopped || taught.added > 0) sentences.push(texts.taught(label, taught.added));
  if (taught.already > 0) sentences.push(texts.already(taught.already));
  for (const { name, failure } of taught.failed.slice(0, NAMED)) {
    sentences.push(texts.failedPhoto(name, failureText(failure, language)));
  }
  if (taught.failed.length > NAMED) sentences.push(texts.failedMore(taught.failed.length - NAMED));
  return joined(sentences, language);
}

/** What went wrong, whether teaching or the page itself says so. */
export function troubleText(error: unknown, language: Language): string {
  return error instanceof ProblemError ? problemText(error.problem, language) : failureText(failureOf(error), language);
}

function joined(sentences: readonly string[], language: Language): string {
  return sentences.join(language === 'zh' ? '' : ' ');
}
