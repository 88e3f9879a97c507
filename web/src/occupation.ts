/**
 * How many photos are in hand, so that work that can wait for a pause does.
 */

/** A pause counts once it has lasted as long, in milliseconds: between two photos of many there is always a short one. */
const PAUSE = 200;

export class Occupation {
  private inHand = 0;
  private begun = 0;
  private waiting: (() => void)[] = [];

  /** How many photos there have been. */
  get arrivals(): number {
    return this.begun;
  }

  /** Whether there is a photo in hand. */
  get busy(): boolean {
    return this.inHand > 0;
  }

  /** Do the work on one photo. */
  async with<Result>(work: () => Promise<Result>): Promise<Result> {
    this.inHand++;
    this.begun++;
    try {
      return await work();
    } finally {
      this.inHand--;
      if (!this.busy) for (const proceed of this.waiting.splice(0)) proceed();
    }
  }

  /**
   * Wait until there is no photo in hand, nor has been for a while.
   *
   * @throws whatever `signal` is aborted with.
   */
  async pause(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
    );
    let seen = -1;
    while (this.busy || seen !== this.begun) {
      signal.throwIfAborted();
      if (this.busy) await Promise.race([new Promise<void>((resolve) => this.waiting.push(resolve)), aborted]);
      seen = this.begun;
      await Promise.race([new Promise((resolve) => setTimeout(resolve, PAUSE)), aborted]);
    }
  }
}
