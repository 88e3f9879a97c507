/**
 * The messages between the page and its worker.
 */
import type { Failure } from './failure.ts';
import type { Format } from './sniff.ts';

/** What reading known pixels back from a canvas has shown: the same, nearly the same, or others. */
export type CanvasTrust = 'exact' | 'near' | 'perturbed';

/** What can run the model. */
export type BackendName = 'wasm' | 'webgl' | 'webgpu';

/** One label with its names. */
export interface Label {
  readonly name: string;
  readonly display: Readonly<Record<string, string>>;
}

/** Why a backend is not used. */
export type Refusal = 'unavailable' | 'inexact' | 'failed' | 'too-slow' | 'unknown-operation';

/** What is known of one backend on this device. */
export interface BackendStanding {
  readonly name: BackendName;
  readonly state: 'in-use' | 'available' | 'refused' | 'unmeasured';
  /** Time for one picture, where it was measured. */
  readonly milliseconds: number | null;
  readonly reason: Refusal | null;
  readonly threads: number | null;
}

/** What the page is told once the model can answer. */
export interface Ready {
  readonly model: { readonly name: string; readonly version: string };
  readonly labels: readonly Label[];
  /** SHA-256 of contract.json: what identifies the published version. */
  readonly digest: string;
  /** Threshold on the top score; below it the answer is "not sure". */
  readonly notSure: number | null;
  readonly embeddingSize: number;
  /** Whether answers come with activation maps: the network's head may not allow them. */
  readonly maps: boolean;
  readonly backend: BackendName;
  readonly backends: readonly BackendStanding[];
  readonly canvas: CanvasTrust;
  /** The files of the version. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
}

/** Part of the upright photo, in its pixels; edges may be fractions. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** One activation map per label: `values[(label * height + y) * width + x]`, not normalised. */
export interface ActivationMaps {
  readonly width: number;
  readonly height: number;
  readonly values: Float32Array;
}

/** The answer for one photo. */
export interface Answer {
  /** Softmax over all labels, in the contract's order. */
  readonly scores: readonly number[];
  readonly embedding: Float32Array;
  /** Null where the network's head does not allow them. */
  readonly maps: ActivationMaps | null;
  /** SHA-256 of the network's uint8 input (height, width, 3), RGB. */
  readonly inputSha256: string;
  readonly format: Format;
  /** Size of the upright photo in pixels. */
  readonly width: number;
  readonly height: number;
  /** What the network saw of it, and what the maps cover. */
  readonly box: Box;
  readonly thumbnail: ImageBitmap;
  readonly milliseconds: { readonly decode: number; readonly inference: number };
}

export type ToWorker =
  | { readonly kind: 'start'; readonly model: string; readonly backend?: string }
  | { readonly kind: 'classify'; readonly id: number; readonly file: Blob }
  | { readonly kind: 'cancel'; readonly id: number };

export type FromWorker =
  | { readonly kind: 'progress'; readonly loaded: number; readonly total: number }
  | { readonly kind: 'ready'; readonly ready: Ready }
  | { readonly kind: 'not-ready'; readonly failure: Failure }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'failure'; readonly id: number; readonly failure: Failure };
