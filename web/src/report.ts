/**
 * Answers as files and as text. Only photos that are done are told of; numbers have full precision, names are the contract's.
 */
import { isNotSure, type Photo } from './album.ts';
import type { Ready } from './protocol.ts';
import { failureText, labelText, type Language, percentText, TEXTS } from './text.ts';

type Publication = Pick<Ready, 'model' | 'labels' | 'digest' | 'notSure'>;

/** What a spreadsheet would take for the beginning of a formula, in ASCII or full width. */
const FORMULA = /^[=+\-@\t\r＝＋－＠]/;

/**
 * CSV as RFC 4180 has it, with a byte order mark, without which Excel takes UTF-8 for something else.
 *
 * A cell that a spreadsheet would run as a formula is made text by an apostrophe before it: the names of files can
 * come from anyone.
 */
export function toCsv(photos: readonly Photo[], { model, labels, digest, notSure }: Publication): string {
  const header = ['name', 'input_sha256', 'label', 'score', 'not_sure', 'error'];
  header.push('model', 'version', 'contract_sha256', ...labels.map(({ name }) => `score of ${name}`));
  const rows = photos.flatMap(({ name, outcome }) => {
    const published = [model.name, model.version, digest];
    if (outcome.kind === 'answer') {
      const { scores, inputSha256 } = outcome.answer;
      const unsure = isNotSure(scores, outcome.best, notSure);
      const answer = [inputSha256, labels[outcome.best].name, scores[outcome.best], unsure, ''];
      return [[name, ...answer, ...published, ...scores]];
    }
    if (outcome.kind === 'failure') {
      return [[name, '', '', '', '', outcome.failure.code, ...published, ...labels.map(() => '')]];
    }
    return [];
  });
  return '\ufeff' + [header, ...rows].map((row) => row.map(cell).join(',') + '\r\n').join('');
}

function cell(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  // Semicolons and tabs separate cells where a spreadsheet is set to them: unquoted, a name could begin a new cell.
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** JSON: the model, and one object per photo. */
export function toJson(photos: readonly Photo[], { model, labels, digest, notSure }: Publication): string {
  const rows = photos.flatMap<object>(({ name, outcome }) => {
    if (outcome.kind === 'failure') return [{ name, error: outcome.failure.code }];
    if (outcome.kind !== 'answer') return [];
    const { scores, inputSha256, width, height, format } = outcome.answer;
    return [
      {
        name,
        format,
        width,
        height,
        input_sha256: inputSha256,
        label: labels[outcome.best].name,
        score: scores[outcome.best],
        not_sure: isNotSure(scores, outcome.best, notSure),
        scores: Object.fromEntries(labels.map((label, index) => [label.name, scores[index]])),
      },
    ];
  });
  const published = { ...model, contract_sha256: digest, not_sure_threshold: notSure };
  return `${JSON.stringify({ model: published, photos: rows }, null, 2)}\n`;
}

/** One line per photo, for people, in their language. */
export function toText(photos: readonly Photo[], { labels, notSure }: Publication, language: Language): string {
  const lines = photos.flatMap(({ name, outcome }) => {
    if (outcome.kind === 'failure') return [`${name}: ${failureText(outcome.failure, language)}`];
    if (outcome.kind !== 'answer') return [];
    const { scores } = outcome.answer;
    const said = `${labelText(labels[outcome.best], language)} ${percentText(scores[outcome.best], language)}`;
    return [`${name}: ${isNotSure(scores, outcome.best, notSure) ? TEXTS[language].perhaps(said) : said}`];
  });
  return lines.join('\n');
}
