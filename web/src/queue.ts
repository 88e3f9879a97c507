/**
 * A queue that runs a few jobs at a time and starts the next one only when one has ended: however many photos are
 * dropped, only those in progress take memory.
 */
export class Queue<Item> {
  private readonly run: (item: Item, signal: AbortSignal) => Promise<void>;
  private readonly width: number;
  private pending: Item[] = [];
  private running = 0;
  private controller = new AbortController();

  /**
   * @param run one job; it must not throw.
   * @param width how many run at a time.
   */
  constructor(run: (item: Item, signal: AbortSignal) => Promise<void>, width: number) {
    this.run = run;
    this.width = width;
  }

  /** Add jobs, to be started in this order. */
  add(items: readonly Item[]): void {
    this.pending.push(...items);
    this.fill();
  }

  /** Forget what waits and abort what runs. */
  clear(): void {
    this.pending = [];
    this.controller.abort();
    this.controller = new AbortController();
  }

  private fill(): void {
    while (this.running < this.width && this.pending.length > 0) {
      const item = this.pending.shift() as Item;
      this.running++;
      void this.run(item, this.controller.signal).finally(() => {
        this.running--;
        this.fill();
      });
    }
  }
}
