/**
 * The photos on the page in the order in which they were given, and what has become of each.
 */
import type { Failure } from './failure.ts';
import type { Answer } from './protocol.ts';
import { top } from './scores.ts';

export type Outcome =
  | { readonly kind: 'waiting' | 'reading' | 'stopped' }
  | { readonly kind: 'answer'; readonly answer: Answer; readonly best: number }
  | { readonly kind: 'failure'; readonly failure: Failure };

export interface Photo {
  readonly id: string;
  /** The file's name; of a file in a folder, its path. */
  readonly name: string;
  readonly file: File;
  readonly outcome: Outcome;
}

/** Where a photo stands once it is done: under its best label, or apart. */
export type Group = number | 'not-sure' | 'failed';

type Writable = { -readonly [Key in keyof Photo]: Photo[Key] };

export class Album {
  private list: Writable[] = [];
  private given = 0;
  private readonly counts: Record<Outcome['kind'], number> = noCounts();

  get photos(): readonly Photo[] {
    return this.list;
  }

  get total(): number {
    return this.list.length;
  }

  get failed(): number {
    return this.counts.failure;
  }

  /** Photos with an answer or an error. */
  get done(): number {
    return this.counts.answer + this.counts.failure;
  }

  /** Photos that are waiting or being looked at. */
  get pending(): number {
    return this.counts.waiting + this.counts.reading;
  }

  get stopped(): number {
    return this.counts.stopped;
  }

  /** Add photos, all of them waiting. */
  add(files: readonly { readonly file: File; readonly name: string }[]): Photo[] {
    const added = files.map(({ file, name }) => {
      return { id: `photo-${++this.given}`, name, file, outcome: { kind: 'waiting' } as const };
    });
    this.list.push(...added);
    this.counts.waiting += added.length;
    return added;
  }

  /** Say what has become of a photo. */
  settle(photo: Photo, outcome: Exclude<Outcome, { kind: 'answer' }>): void {
    this.put(photo, outcome);
  }

  /** Give a photo its answer. */
  answer(photo: Photo, answer: Answer): void {
    this.put(photo, { kind: 'answer', answer, best: top(answer.scores, 1)[0] });
  }

  /** Stop what is not done; those photos are returned. */
  stop(): Photo[] {
    const rest = this.list.filter(({ outcome: { kind } }) => kind === 'waiting' || kind === 'reading');
    for (const photo of rest) this.put(photo, { kind: 'stopped' });
    return rest;
  }

  /** Let what was stopped wait again; those photos are returned. */
  goOn(): Photo[] {
    const rest = this.list.filter(({ outcome: { kind } }) => kind === 'stopped');
    for (const photo of rest) this.put(photo, { kind: 'waiting' });
    return rest;
  }

  clear(): void {
    this.list = [];
    Object.assign(this.counts, noCounts());
  }

  private put(photo: Writable, outcome: Outcome): void {
    this.counts[photo.outcome.kind]--;
    this.counts[outcome.kind]++;
    photo.outcome = outcome;
  }
}

/** Whether the best score is under the threshold below which an answer is not to be relied on. */
export function isNotSure(scores: readonly number[], best: number, threshold: number | null): boolean {
  return threshold !== null && scores[best] < threshold;
}

/** The photo's group, null while it is not done. */
export function groupOf({ outcome }: Photo, threshold: number | null): Group | null {
  if (outcome.kind === 'failure') return 'failed';
  if (outcome.kind !== 'answer') return null;
  return isNotSure(outcome.answer.scores, outcome.best, threshold) ? 'not-sure' : outcome.best;
}

function noCounts(): Record<Outcome['kind'], number> {
  return { waiting: 0, reading: 0, stopped: 0, answer: 0, failure: 0 };
}
