/**
 * The page's side of its worker: typed promises, which can be aborted.
 */
import { FailureError } from './failure.ts';
import type { Answer, BackendName, BackendStanding, FromWorker, Ready, Refusal, Reply, ToWorker } from './protocol.ts';
import type { Neighbour } from './similar/gallery.ts';

interface Waiting<Result> {
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** The part of `Worker` that is used, so that tests can put their own in its place. */
export interface Port {
  postMessage(message: ToWorker): void;
  onmessage: ((event: MessageEvent<FromWorker>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
}

/** Thrown where the backend that the visitor wants cannot be used. */
export class BackendRefusedError extends Error {
  readonly backend: BackendName;
  readonly reason: Refusal;

  constructor(backend: BackendName, reason: Refusal) {
    super(`${backend}: ${reason}`);
    this.name = 'BackendRefusedError';
    this.backend = backend;
    this.reason = reason;
  }
}

export class Bridge {
  /** Settled once photos are answered, or the model cannot be loaded (a `FailureError`). */
  readonly answering: Promise<Ready>;
  /** Settled once nothing is left to be fetched either; photos are answered before. */
  readonly ready: Promise<Ready>;
  /** Told what the worker has asked the network for. */
  onRequests: ((requests: Extract<FromWorker, { kind: 'requested' }>['requests']) => void) | null = null;
  /** Told whenever the standing of the backends has changed. */
  onBackends: ((backend: BackendName, backends: readonly BackendStanding[]) => void) | null = null;
  private readonly port: Port;
  private readonly waiting = new Map<number, Waiting<Reply>>();
  /** What waits for the thumbnails of photos that are answered or will be. */
  private readonly drawing = new Map<number, (thumbnail: ImageBitmap | null) => void>();
  private readonly searching = new Map<number, Waiting<readonly Neighbour[]>>();
  private readonly using = new Map<BackendName, Waiting<readonly BackendStanding[]>[]>();
  private readonly starting: { readonly answering: Waiting<Ready>; readonly ready: Waiting<Ready> };
  private readonly onProgress: (loaded: number, total: number) => void;
  private loading = true;
  private nextId = 0;
  private dead: FailureError | null = null;

  /**
   * @param port a worker that has just been made.
   * @param model address of the model's folder, absolute.
   * @param onProgress told how many bytes of the model have been loaded.
   * @param backend the only backend to use; null leaves the choice to the worker, which measures.
   * @param gallery address of the gallery that was published with the model; null where there is none.
   */
  constructor(
    port: Port,
    model: string,
    onProgress: (loaded: number, total: number) => void,
    backend: BackendName | null = null,
    gallery: string | null = null,
  ) {
    this.port = port;
    this.onProgress = onProgress;
    const answering = deferred<Ready>();
    const ready = deferred<Ready>();
    this.starting = { answering, ready };
    this.answering = answering.promise;
    this.ready = ready.promise;
    // Who only waits for the other one has not overlooked a failure of this one.
    this.answering.catch(() => undefined);
    this.ready.catch(() => undefined);
    port.onmessage = ({ data }) => this.receive(data);
    port.onerror = (event) =>
      this.die(new FailureError({ code: 'internal', reason: event.message || 'the worker could not be started' }));
    port.postMessage({ kind: 'start', model, backend, gallery });
  }

  /**
   * Classify one image file. It is decoded while the model is still on its way.
   *
   * @throws FailureError for a photo or a model that cannot be used.
   * @throws DOMException `AbortError` once `signal` is aborted.
   */
  async classify(file: Blob, signal: AbortSignal): Promise<Answer> {
    const id = this.nextId++;
    const thumbnail = new Promise<ImageBitmap | null>((resolve) => this.drawing.set(id, resolve));
    try {
      return { ...(await this.ask(id, file, signal, true)), thumbnail };
    } catch (error) {
      this.drawing.delete(id);
      throw error;
    }
  }

  /**
   * Classify one image file of which no thumbnail is wanted.
   *
   * @throws FailureError, DOMException as `classify` does.
   */
  async glance(file: Blob, signal: AbortSignal): Promise<Reply> {
    return this.ask(this.nextId++, file, signal, false);
  }

  /**
   * The photos of the gallery that are most like one, nearest first.
   *
   * @param embedding an answer's.
   * @throws FailureError where there is no gallery that can be searched, or no model.
   */
  async similar(embedding: Float32Array, count: number): Promise<readonly Neighbour[]> {
    if (this.dead) throw this.dead;
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.searching.set(id, { resolve, reject });
      this.port.postMessage({ kind: 'similar', id, embedding, count });
    });
  }

  private async ask(id: number, file: Blob, signal: AbortSignal, thumbnail: boolean): Promise<Reply> {
    signal.throwIfAborted();
    if (this.dead) throw this.dead;
    const abort = () => {
      this.port.postMessage({ kind: 'cancel', id });
      this.waiting.get(id)?.reject(signal.reason);
      this.waiting.delete(id);
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await new Promise<Reply>((resolve, reject) => {
        this.waiting.set(id, { resolve, reject });
        this.port.postMessage({ kind: 'classify', id, file, thumbnail });
      });
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /**
   * Use another backend, and remember that the visitor wants it.
   *
   * @returns what is known of the backends then.
   * @throws BackendRefusedError if it cannot be used; the one in use stays.
   * @throws FailureError if the model cannot be used.
   */
  async use(backend: BackendName): Promise<readonly BackendStanding[]> {
    if (this.dead) throw this.dead;
    return new Promise((resolve, reject) => {
      this.using.set(backend, [...(this.using.get(backend) ?? []), { resolve, reject }]);
      this.port.postMessage({ kind: 'use', backend });
    });
  }

  private receive(message: FromWorker): void {
    switch (message.kind) {
      case 'progress':
        // Of several files that load at the same time, some go on loading after one has failed.
        if (this.loading) this.onProgress(message.loaded, message.total);
        break;
      case 'answering':
        this.loading = false;
        this.starting.answering.resolve(message.ready);
        break;
      case 'ready':
        this.starting.ready.resolve(message.ready);
        break;
      case 'not-ready':
        this.loading = false;
        this.die(new FailureError(message.failure));
        break;
      case 'requested':
        this.onRequests?.(message.requests);
        break;
      case 'backends':
        if (message.asked) this.using.get(message.asked)?.shift()?.resolve(message.backends);
        this.onBackends?.(message.backend, message.backends);
        break;
      case 'backend-refused':
        this.using.get(message.backend)?.shift()?.reject(new BackendRefusedError(message.backend, message.reason));
        break;
      default:
        this.settle(message);
    }
  }

  private settle(message: Extract<FromWorker, { id: number }>): void {
    const { id } = message;
    if (message.kind === 'thumbnail') {
      const take = this.drawing.get(id);
      this.drawing.delete(id);
      if (take) take(message.thumbnail);
      else message.thumbnail?.close(); // aborted while the answer was on its way
      return;
    }
    const waiting = this.waiting.get(id);
    const searching = this.searching.get(id);
    this.waiting.delete(id);
    this.searching.delete(id);
    if (message.kind === 'failure') (waiting ?? searching)?.reject(new FailureError(message.failure));
    else if (message.kind === 'neighbours') searching?.resolve(message.neighbours);
    else waiting?.resolve(message.answer);
  }

  /** Fail everything that waits and that will be asked for. */
  private die(error: FailureError): void {
    this.dead = error;
    const using = [...this.using.values()].flat();
    const asked = [...this.waiting.values(), ...this.searching.values(), ...using];
    for (const one of [this.starting.answering, this.starting.ready, ...asked]) one.reject(error);
    for (const take of this.drawing.values()) take(null);
    this.waiting.clear();
    this.searching.clear();
    this.using.clear();
    this.drawing.clear();
  }
}

function deferred<Result>(): Waiting<Result> & { readonly promise: Promise<Result> } {
  let resolve!: (result: Result) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<Result>((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
}
