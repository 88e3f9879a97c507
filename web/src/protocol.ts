/**
 * The messages between the page and its worker.
 */
import type { Failure } from './failure.ts';
import type { Format } from './sniff.ts';

/** What reading known pixels back from a canvas has shown: the same, nearly the same, or others. */
export type CanvasTrust = 'exact' | 'near' | 'perturbed';

/** One label with its names. */
export interface Label {
  readonly name: string;
  readonly display: Readonly<Record<string, string>>;
}

/** What the page is told once the model can answer. */
export interface Ready {
  readonly model: { readonly name: string; readonly version: string };
  readonly labels: readonly Label[];
  /** Name of the TensorFlow.js backend that runs the model. */
  readonly backend: string;
  readonly canvas: CanvasTrust;
  /** SHA-256 of contract.json: what identifies the published version. */
  readonly digest: string;
  readonly embeddingSize: number;
}

/** The answer for one photo. */
export interface Answer {
  /** Softmax over all labels, in the contract's order. */
  readonly scores: readonly number[];
  /** The contract's embedding. */
  readonly embedding: Float32Array;
  /** SHA-256 of the network's uint8 input (height, width, 3), RGB. */
  readonly inputSha256: string;
  readonly format: Format;
  /** Size of the upright photo in pixels. */
  readonly width: number;
  readonly height: number;
  readonly thumbnail: ImageBitmap;
}

export type ToWorker =
  | { readonly kind: 'start'; readonly model: string }
  | { readonly kind: 'classify'; readonly id: number; readonly file: Blob }
  | { readonly kind: 'cancel'; readonly id: number };

export type FromWorker =
  | { readonly kind: 'progress'; readonly loaded: number; readonly total: number }
  | { readonly kind: 'ready'; readonly ready: Ready }
  | { readonly kind: 'not-ready'; readonly failure: Failure }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'failure'; readonly id: number; readonly failure: Failure };
