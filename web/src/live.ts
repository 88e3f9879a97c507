/**
 * What makes a stream of answers readable: how fast they come, and scores that do not flicker.
 */

/** Answers a second, over the last two seconds. */
export class Rate {
  private readonly windowMs = 2000;
  private times: number[] = [];

  /** Note an answer, in milliseconds of any clock that only goes forward. */
  tick(now: number): void {
    this.times.push(now);
    this.times = this.times.filter((time) => now - time <= this.windowMs);
  }

  /** Answers a second; null until two have come. */
  get perSecond(): number | null {
    const span = this.times[this.times.length - 1] - this.times[0];
    return span > 0 ? ((this.times.length - 1) * 1000) / span : null;
  }

  /** Forget what was noted, as after a pause. */
  reset(): void {
    this.times = [];
  }
}

/** Scores averaged over a short time: an answer weighs half as much once `halfLifeMs` have gone by. */
export class Steady {
  private readonly halfLifeMs: number;
  private mean: readonly number[] | null = null;
  private last = 0;

  constructor(halfLifeMs: number) {
    this.halfLifeMs = halfLifeMs;
  }

  /** Add the scores of one answer, which came at `now` milliseconds, and return the mean. */
  add(scores: readonly number[], now: number): readonly number[] {
    const kept = this.mean === null ? 0 : 0.5 ** ((now - this.last) / this.halfLifeMs);
    const { mean } = this;
    this.mean = scores.map((score, index) => (mean === null ? score : mean[index] * kept + score * (1 - kept)));
    this.last = now;
    return this.mean;
  }

  reset(): void {
    this.mean = null;
  }
}
