/**
 * What the page was taught and what it learned from that, without a word or an element of the page.
 */
import { failureOf, type Failure } from '../failure.ts';
import type { Answer } from '../protocol.ts';
import { byLabel, type Example, labelName, LIMITS, requireRoom, sameLabel } from './example.ts';
import { type Judgement, learn, type Learned } from './learn.ts';
import { ProblemError } from './problem.ts';
import type { Store } from './store.ts';

/** Photos of a visitor's own that are in the worker at a time, beside those of the page. */
const IN_PROGRESS = 2;

/** The part of the page's bridge that teaching needs. */
export interface Classifier {
  classify(file: Blob, signal: AbortSignal): Promise<Answer>;
}

/** A small JPEG of a photo, or null where the browser cannot make one. */
export type MakeThumbnail = (photo: ImageBitmap | Blob) => Promise<Uint8Array<ArrayBuffer> | null>;

/** What came of photos that were given as examples. */
export interface Taught {
  added: number;
  /** Were there already, or given twice. */
  already: number;
  readonly failed: { readonly name: string; readonly failure: Failure }[];
}

export class Teacher {
  /** Whether what is taught is still there when the page is opened again; known after the first `refresh`. */
  lasting = true;
  /** Examples of other models, which are of no use to this one. */
  others = 0;
  private readonly store: Promise<Store>;
  private readonly makeThumbnail: MakeThumbnail;
  private readonly changed: () => void;
  private kept: readonly Example[] = [];
  /** Photos on their way to be examples, by `sha256`: the same photo may be given twice at a time. */
  private readonly coming = new Set<string>();
  /** Undefined until someone asks, after each change. */
  private lesson: Learned | null | undefined;

  /**
   * @param store of the model in use, once it is open; `refresh` reads it.
   * @param changed called after what is taught was changed here.
   */
  constructor(store: Promise<Store>, makeThumbnail: MakeThumbnail, changed: () => void) {
    this.store = store;
    this.makeThumbnail = makeThumbnail;
    this.changed = changed;
  }

  get examples(): readonly Example[] {
    return this.kept;
  }

  get learned(): Learned | null {
    return (this.lesson ??= learn(this.kept));
  }

  /**
   * Read the store anew: it may have been changed by the same page in another tab. `changed` is not called.
   *
   * @throws ProblemError `storage_failed`.
   */
  async refresh(): Promise<void> {
    const store = await this.store;
    this.lasting = store.lasting;
    const [examples, others] = await Promise.all([store.all(), store.countOthers()]).catch(failStorage);
    this.others = others;
    this.kept = examples;
    this.lesson = undefined;
  }

  /** The answer in the visitor's labels; null while fewer than two are taught. */
  judge(answer: Answer): Judgement | null {
    return this.learned?.judge(answer.embedding) ?? null;
  }

  /** The example that this photo is, if it is one. */
  exampleOf(answer: Answer): Example | undefined {
    return this.kept.find((example) => example.sha256 === answer.inputSha256);
  }

  /**
   * The label of this name as it is kept, whether it is there already or not.
   *
   * @throws ProblemError `label_missing`, `label_too_long`, `too_many_labels`.
   */
  labelFor(typed: string): string {
    const name = labelName(typed);
    const labels = [...byLabel(this.kept).keys()];
    const known = sameLabel(labels, name);
    if (known === undefined && labels.length >= LIMITS.labels) {
      throw new ProblemError({ code: 'too_many_labels', allowed: LIMITS.labels });
    }
    return known ?? name;
  }

  /**
   * Teach a label with photos. What is done when `signal` is aborted stays.
   *
   * @param progressed told how many of the photos are done.
   * @throws ProblemError those of `labelFor`, `too_many_photos`, `storage_failed`.
   */
  async teach(
    typed: string,
    files: readonly File[],
    classifier: Classifier,
    signal: AbortSignal,
    progressed: (done: number) => void,
  ): Promise<Taught> {
    const label = this.labelFor(typed);
    this.requireRoomFor(files.length);
    const taught: Taught = { added: 0, already: 0, failed: [] };
    let done = 0;
    await inTurn(files, signal, async (file) => {
      try {
        const answer = await classifier.classify(file, signal);
        const thumbnail = await answer.thumbnail;
        try {
          if (await this.add(label, answer, thumbnail ?? file)) taught.added++;
          else taught.already++;
        } finally {
          thumbnail?.close();
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ProblemError) throw error;
        taught.failed.push({ name: file.name, failure: failureOf(error) });
      }
      progressed(++done);
    });
    return taught;
  }

  /**
   * Take a photo that has its answer as an example.
   *
   * @throws ProblemError those of `labelFor`, `too_many_photos`, `storage_failed`.
   */
  async teachAnswered(typed: string, file: File, answer: Answer): Promise<void> {
    const label = this.labelFor(typed);
    this.requireRoomFor(1);
    await this.add(label, answer, file);
  }

  /**
   * Add what a file taught; a photo that is here already stays under the label that it has here.
   *
   * @returns how many photos were added, and how many were here already.
   * @throws ProblemError `too_many_labels`, `too_many_photos`, `storage_failed`; nothing is added then.
   */
  async take(examples: readonly Example[]): Promise<{ readonly added: number; readonly already: number }> {
    const known = new Set(this.kept.map((example) => example.sha256));
    const labels = [...byLabel(this.kept).keys()];
    const fresh = examples
      .filter((example) => !known.has(example.sha256))
      .map((example) => {
        const label = sameLabel(labels, example.label) ?? example.label;
        if (!labels.includes(label)) labels.push(label);
        return { ...example, label };
      });
    requireRoom([...this.kept, ...fresh]);
    await this.keep(fresh);
    return { added: fresh.length, already: examples.length - fresh.length };
  }

  /**
   * Forget examples.
   *
   * @throws ProblemError `storage_failed`.
   */
  async forget(examples: readonly Example[]): Promise<void> {
    const gone = new Set(examples.map((example) => example.sha256));
    await (await this.store).remove([...gone]).catch(failStorage);
    this.replace(this.kept.filter((example) => !gone.has(example.sha256)));
  }

  /**
   * Forget what other models were taught.
   *
   * @throws ProblemError `storage_failed`.
   */
  async forgetOthers(): Promise<void> {
    await (await this.store).removeOthers().catch(failStorage);
    this.others = 0;
    this.changed();
  }

  private async add(label: string, answer: Answer, photo: ImageBitmap | Blob): Promise<boolean> {
    const sha256 = answer.inputSha256;
    if (this.exampleOf(answer) || this.coming.has(sha256)) return false;
    this.coming.add(sha256);
    try {
      const thumbnail = await this.makeThumbnail(photo);
      await this.keep([{ label, sha256, embedding: Float32Array.from(answer.embedding), thumbnail }]);
      return true;
    } finally {
      this.coming.delete(sha256);
    }
  }

  private async keep(examples: readonly Example[]): Promise<void> {
    await (await this.store).add(examples).catch(failStorage);
    this.replace([...this.kept, ...examples]);
  }

  private replace(examples: readonly Example[]): void {
    this.kept = examples;
    this.lesson = undefined;
    this.changed();
  }

  private requireRoomFor(photos: number): void {
    if (this.kept.length + photos > LIMITS.photos) {
      throw new ProblemError({ code: 'too_many_photos', allowed: LIMITS.photos });
    }
  }
}

/** Run a job for each item, a few at a time, until one throws or `signal` is aborted. */
async function inTurn<Item>(
  items: Iterable<Item>,
  signal: AbortSignal,
  job: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  let stopped = false;
  const work = async () => {
    for (let next = rest.next(); !next.done && !stopped && !signal.aborted; next = rest.next()) {
      await job(next.value).catch((error: unknown) => {
        stopped = true;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: IN_PROGRESS }, work));
}

function failStorage(error: unknown): never {
  throw new ProblemError({ code: 'storage_failed', reason: error instanceof Error ? error.message : String(error) });
}
