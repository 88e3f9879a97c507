/**
 * Two answers to one photo, side by side.
 */
import { top } from '../scores.ts';

export interface Row {
  /** Position in the contract's labels. */
  readonly index: number;
  readonly here: number;
  readonly there: number;
}

export interface Difference {
  /** The labels that stand at the top of either answer, in the page's order. */
  readonly rows: readonly Row[];
  /** The label whose scores differ most. */
  readonly largest: Row;
  /** Whether both put the same label first. */
  readonly agreed: boolean;
}

/**
 * Compare two answers.
 *
 * @param names the contract's labels, in its order.
 * @param here the page's scores, in that order.
 * @param there the server's, by name; a label that it does not have counts as 0.
 * @param shown how many of the best labels of each answer are listed.
 */
export function compareAnswers(
  names: readonly string[],
  here: readonly number[],
  there: ReadonlyMap<string, number>,
  shown: number,
): Difference {
  const theirs = names.map((name) => there.get(name) ?? 0);
  const row = (index: number): Row => ({ index, here: here[index], there: theirs[index] });
  const listed = new Set([...top(here, shown), ...top(theirs, shown)]);
  const distance = ({ here, there }: Row) => Math.abs(here - there);
  const largest = names.map((_, index) => row(index)).reduce((a, b) => (distance(b) > distance(a) ? b : a));
  return {
    rows: top(here, names.length)
      .filter((index) => listed.has(index))
      .map(row),
    largest,
    agreed: top(here, 1)[0] === top(theirs, 1)[0],
  };
}
