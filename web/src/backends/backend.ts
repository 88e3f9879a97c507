/**
 * What the engine needs of a backend of TensorFlow.js that has been started.
 */
import type { ContestantId } from '../choice.ts';

export interface Backend {
  /** Also the name that TensorFlow.js knows it by. */
  readonly id: ContestantId;
  /** Threads that it runs on; null where that is not for us to say. */
  readonly threads: number | null;
  /** Fulfilled if the device takes it away, pending as long as it works; null for one that cannot be taken away. */
  readonly lost: Promise<void> | null;
  /**
   * Compile whatever a run needs.
   *
   * @param run runs the network once, its answer unread. It is called at once or not at all.
   */
  compile(run: () => void): Promise<void>;
  /** End it and give its memory back; it can be started again. */
  stop(): void;
}

/** The code of a backend that is fetched when the page already answers. */
export interface BackendModule {
  /**
   * Start the backend.
   *
   * @param software whether one that is drawn in software will do.
   * @returns null if this browser or device has none.
   */
  start(software: boolean): Promise<Backend | null>;
}
