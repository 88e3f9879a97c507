/**
 * Everything that the page says, in each of its languages, and how it writes numbers.
 */
import type { Failure } from './failure.ts';
import type { Label } from './protocol.ts';
import { en } from './text/en.ts';
import type { Texts } from './text/texts.ts';
import { zh } from './text/zh.ts';

export type Language = 'en' | 'zh';
export type { Texts };

export const TEXTS: Readonly<Record<Language, Texts>> = { en, zh };

/** The failure in words. */
export function failureText(failure: Failure, language: Language): string {
  const word = TEXTS[language].failures[failure.code] as (failure: Failure) => string;
  return word(failure);
}

/** What a label is called; in English where the contract has no name in the visitor's language. */
export function labelText({ display }: Label, language: Language): string {
  return display[language] ?? display.en;
}

/** A score as people read it. */
export function percentText(score: number, language: Language): string {
  const format = formatOf(language, 1, 'percent');
  return score > 0 && score < 0.001 ? `<${format.format(0.001)}` : format.format(score);
}

/** Bytes as megabytes. */
export function megabytesText(bytes: number, language: Language): string {
  return `${numberText(bytes / 1e6, language)} MB`;
}

/** The size of a file in megabytes, or in whole kilobytes where that is less than one. */
export function sizeText(bytes: number, language: Language): string {
  if (bytes >= 1e6) return megabytesText(bytes, language);
  return `${new Intl.NumberFormat(language).format(Math.max(Math.round(bytes / 1e3), 1))} kB`;
}

/** A number with one digit behind the point. */
export function numberText(value: number, language: Language): string {
  return formatOf(language, 1, 'decimal').format(value);
}

/** The language to start in: `?lang=` where it names one, else the first preferred one that the page speaks. */
export function chooseLanguage(query: string, preferred: readonly string[]): Language {
  for (const wanted of [new URLSearchParams(query).get('lang') ?? '', ...preferred]) {
    const base = wanted.toLowerCase().split('-')[0];
    if (base === 'en' || base === 'zh') return base;
  }
  return 'en';
}

/** Making a format takes far longer than using it, and every bar of every photo has a number. */
const formats = new Map<string, Intl.NumberFormat>();

function formatOf(language: Language, digits: number, style: 'percent' | 'decimal'): Intl.NumberFormat {
  const key = `${language} ${digits} ${style}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(language, { style, minimumFractionDigits: digits, maximumFractionDigits: digits });
    formats.set(key, format);
  }
  return format;
}
