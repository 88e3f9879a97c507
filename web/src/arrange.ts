/**
 * Sorting and filtering of photos, for the list and for what is exported of it.
 */
import { type Group, groupOf, type Photo } from './album.ts';

export const ORDERS = ['given', 'surest', 'doubtful', 'label'] as const;
export type Order = (typeof ORDERS)[number];

/**
 * The photos in another order; those without an answer come last, in the order in which they were given.
 *
 * @param names what each label is called in the visitor's language.
 * @param language by whose rules names are sorted.
 */
export function sorted(photos: readonly Photo[], order: Order, names: readonly string[], language: string): Photo[] {
  if (order === 'given') return [...photos];
  const score = ({ outcome }: Photo) => (outcome.kind === 'answer' ? outcome.answer.scores[outcome.best] : 0);
  const name = ({ outcome }: Photo) => (outcome.kind === 'answer' ? names[outcome.best] : '');
  const { compare } = new Intl.Collator(language);
  const compareAnswers: Record<Exclude<Order, 'given'>, (a: Photo, b: Photo) => number> = {
    surest: (a, b) => score(b) - score(a),
    doubtful: (a, b) => score(a) - score(b),
    label: (a, b) => compare(name(a), name(b)) || score(b) - score(a),
  };
  const answered = photos.filter(({ outcome }) => outcome.kind === 'answer');
  const rest = photos.filter(({ outcome }) => outcome.kind !== 'answer');
  return [...answered.sort(compareAnswers[order]), ...rest];
}

/** Whether a photo is to be shown under a filter; null lets all through. */
export function passes(photo: Photo, filter: Group | null, threshold: number | null): boolean {
  return filter === null || groupOf(photo, threshold) === filter;
}

/** How many photos each group has; groups without any are left out. */
export function tally(photos: readonly Photo[], threshold: number | null): Map<Group, number> {
  const counts = new Map<Group, number>();
  for (const photo of photos) {
    const group = groupOf(photo, threshold);
    if (group !== null) counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  return counts;
}
