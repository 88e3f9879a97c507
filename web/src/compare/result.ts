/**
 * Both answers to one photo, as a table with a few words.
 */
import { element } from '../dom.ts';
import type { Answer, Ready } from '../protocol.ts';
import { labelText, type Language, percentText } from '../text.ts';
import type { Difference } from './difference.ts';
import type { ServerAnswer } from './server.ts';
import { COMPARE_TEXTS } from './text.ts';

/** What is shown of the page's own answer beside the server's. */
export type OwnAnswer = Pick<Answer, 'scores' | 'milliseconds'>;

/**
 * The table, and what is to be said below it.
 *
 * @param ready of the page: its labels and its model.
 */
export function resultOf(
  ready: Pick<Ready, 'labels' | 'digest' | 'model'>,
  own: OwnAnswer,
  theirs: ServerAnswer,
  { rows, largest }: Difference,
  language: Language,
): HTMLElement[] {
  const texts = COMPARE_TEXTS[language];
  const points = (difference: number) =>
    new Intl.NumberFormat(language, { maximumSignificantDigits: 2 }).format(Math.abs(difference) * 100);
  const time = (milliseconds: number) =>
    texts.milliseconds(new Intl.NumberFormat(language, { maximumFractionDigits: 0 }).format(milliseconds));
  const nameOf = (index: number) => labelText(ready.labels[index], language);

  const head = element('thead');
  head.append(rowOf([texts.label, texts.here, texts.there, texts.difference], 'col'));
  const body = element('tbody');
  for (const { index, here, there } of rows) {
    const scores = [here, there].map((score) => percentText(score, language));
    const row = rowOf([nameOf(index), ...scores, points(there - here)]);
    Object.assign(row.dataset, { label: ready.labels[index].name, here: String(here), there: String(there) });
    body.append(row);
  }
  const foot = element('tfoot');
  foot.append(
    rowOf([texts.time, time(own.milliseconds.decode + own.milliseconds.inference), time(theirs.milliseconds), '']),
  );
  const table = element('table');
  table.append(element('caption', 'hidden-text', texts.table), head, body, foot);
  const frame = element('div', 'compare-table');
  frame.tabIndex = 0; // it scrolls
  frame.setAttribute('role', 'group');
  frame.setAttribute('aria-label', texts.table);
  frame.append(table);

  const notes = [texts.largest(nameOf(largest.index), points(largest.there - largest.here)), texts.onTheWay];
  if (theirs.model.digest !== ready.digest) notes.push(texts.otherModel(ready.model.version, theirs.model.version));
  return [frame, ...notes.map((note) => element('p', 'compare-note', note))];
}

/** A row whose first cell, or whose every cell, is a heading. */
function rowOf([first, ...rest]: readonly string[], scope: 'row' | 'col' = 'row'): HTMLTableRowElement {
  const row = element('tr');
  const heading = (text: string) => {
    const cell = element('th', '', text);
    cell.scope = scope;
    return cell;
  };
  row.append(heading(first), ...rest.map((text) => (scope === 'col' ? heading(text) : element('td', '', text))));
  return row;
}
