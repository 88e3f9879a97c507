/**
 * The page's side of the worker that shrinks photos; started by the first photo, since most visitors ask for none.
 */
import { confinedWorker } from '../privacy/confined.ts';
import type { FromShrinker, ToShrinker } from './protocol.ts';
import shrinkerUrl from './shrinker.ts?worker&url';

export class Shrinker {
  private readonly model: string;
  private worker: Worker | null = null;
  private nextId = 0;

  /**
   * @param model address of the contract, absolute.
   */
  constructor(model: string) {
    this.model = model;
  }

  /**
   * The photo as small as the contract's resize makes it, or the photo itself where that is the smaller file.
   *
   * @throws Error whose message is a code of `Failure` where the photo cannot be read here.
   */
  shrink(file: Blob): Promise<Blob> {
    const id = this.nextId++;
    const worker = (this.worker ??= confinedWorker(shrinkerUrl, 'shrinker'));
    return new Promise((resolve, reject) => {
      const answered = ({ data }: MessageEvent<FromShrinker>) => {
        if (data.id !== id) return;
        stop();
        if (data.blob) resolve(data.blob);
        else reject(new Error(data.error));
      };
      const failed = () => {
        stop();
        this.worker = null; // its script could not be loaded: the next photo tries again
        reject(new Error('unreachable'));
      };
      const stop = () => {
        worker.removeEventListener('message', answered);
        worker.removeEventListener('error', failed);
      };
      worker.addEventListener('message', answered);
      worker.addEventListener('error', failed);
      worker.postMessage({ id, file, model: this.model } satisfies ToShrinker);
    });
  }
}
