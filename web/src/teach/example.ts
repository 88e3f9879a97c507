/**
 * One photo that the page is taught with, and the limits of what is taught.
 */
import { ProblemError } from './problem.ts';

export interface Example {
  /** The visitor's name for what the photo shows, as `labelName` gives it. */
  readonly label: string;
  /** SHA-256 of the network's input: the same photo is one example, whatever its file is called. */
  readonly sha256: string;
  /** What the network makes of the photo, as the contract's `embedding` output gives it. */
  readonly embedding: Float32Array<ArrayBuffer>;
  /** A small JPEG to know the photo by; it never leaves the device unless the visitor exports it. */
  readonly thumbnail: Uint8Array<ArrayBuffer> | null;
}

/** Past these a row of thumbnails is no longer something to look through, and each change would be felt. */
export const LIMITS = { labels: 20, photos: 500, characters: 40, thumbnailBytes: 16_384 };

/**
 * A label as it is kept: composed (NFC), blanks and control characters made single spaces, none at the ends.
 *
 * @throws ProblemError `label_missing`, `label_too_long` (in characters as people count them, more or less: code points).
 */
export function labelName(typed: string): string {
  const name = typed
    .normalize('NFC')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
  if (name === '') throw new ProblemError({ code: 'label_missing' });
  if (Array.from(name).length > LIMITS.characters) {
    throw new ProblemError({ code: 'label_too_long', allowed: LIMITS.characters });
  }
  return name;
}

/** The label of this name among some, whatever the case of its letters: "mug" and "Mug" are one. */
export function sameLabel(labels: Iterable<string>, name: string): string | undefined {
  const folded = name.toLowerCase();
  for (const label of labels) if (label.toLowerCase() === folded) return label;
  return undefined;
}

/** Examples by their label, the labels in the order in which they first come. */
export function byLabel(examples: Iterable<Example>): Map<string, Example[]> {
  const groups = new Map<string, Example[]>();
  for (const example of examples) {
    const group = groups.get(example.label);
    if (group) group.push(example);
    else groups.set(example.label, [example]);
  }
  return groups;
}

/**
 * Hold what would be taught to the limits.
 *
 * @throws ProblemError `too_many_labels`, `too_many_photos`.
 */
export function requireRoom(examples: readonly Example[]): void {
  if (examples.length > LIMITS.photos) throw new ProblemError({ code: 'too_many_photos', allowed: LIMITS.photos });
  if (byLabel(examples).size > LIMITS.labels) {
    throw new ProblemError({ code: 'too_many_labels', allowed: LIMITS.labels });
  }
}
