/**
 * The page's side of its worker: typed promises, which can be aborted.
 */
import { FailureError } from './failure.ts';
import type { Answer, FromWorker, Ready, ToWorker } from './protocol.ts';

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** The part of `Worker` that is used, so that tests can put their own in its place. */
export interface Port {
  postMessage(message: ToWorker): void;
  onmessage: ((event: MessageEvent<FromWorker>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
}

export class Bridge {
  /** Settled once the model can answer, or cannot be loaded (a `FailureError`). */
  readonly ready: Promise<Ready>;
  /** Told what the worker has asked the network for. */
  onRequests: (requests: Extract<FromWorker, { kind: 'requested' }>['requests']) => void = () => undefined;
  private readonly port: Port;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 0;
  private dead: FailureError | null = null;

  /**
   * @param port a worker that has just been made.
   * @param model address of the model's folder, absolute.
   * @param onProgress told how many bytes of the model have been loaded.
   */
  constructor(port: Port, model: string, onProgress: (loaded: number, total: number) => void) {
    this.port = port;
    let loading = true;
    this.ready = new Promise((resolve, reject) => {
      port.onmessage = ({ data }) => {
        if (data.kind === 'progress') {
          // Of several files that load at the same time, some go on loading after one has failed.
          if (loading) onProgress(data.loaded, data.total);
        } else if (data.kind === 'ready') {
          loading = false;
          resolve(data.ready);
        } else if (data.kind === 'not-ready') {
          loading = false;
          reject(new FailureError(data.failure));
        } else if (data.kind === 'requested') {
          this.onRequests(data.requests);
        } else {
          this.settle(data);
        }
      };
      port.onerror = (event) => {
        this.dead = new FailureError({ code: 'internal', reason: event.message || 'the worker could not be started' });
        reject(this.dead);
        for (const waiting of this.waiting.values()) waiting.reject(this.dead);
        this.waiting.clear();
      };
    });
    port.postMessage({ kind: 'start', model });
  }

  /**
   * Classify one image file, once the model is ready.
   *
   * @throws FailureError for a photo or a model that cannot be used.
   * @throws DOMException `AbortError` once `signal` is aborted.
   */
  async classify(file: Blob, signal: AbortSignal): Promise<Answer> {
    await this.ready;
    signal.throwIfAborted();
    if (this.dead) throw this.dead;
    const id = this.nextId++;
    const abort = () => {
      this.port.postMessage({ kind: 'cancel', id });
      this.waiting.get(id)?.reject(signal.reason);
      this.waiting.delete(id);
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.waiting.set(id, { resolve, reject });
        this.port.postMessage({ kind: 'classify', id, file });
      });
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  private settle(message: Extract<FromWorker, { id: number }>): void {
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.kind === 'failure') {
      waiting?.reject(new FailureError(message.failure));
    } else if (waiting) {
      waiting.resolve(message.answer);
    } else {
      message.answer.thumbnail.close(); // aborted while the answer was on its way
    }
  }
}
