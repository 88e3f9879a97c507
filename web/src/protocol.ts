/**
 * The messages between the page and its worker.
 */
import type { BackendName, BackendStanding, Refusal } from './choice.ts';
import type { Failure } from './failure.ts';
import type { GalleryProblem, Neighbour } from './similar/gallery.ts';
import type { Format } from './sniff.ts';

export type { BackendName, BackendStanding, Refusal } from './choice.ts';

/** What reading known pixels back from a canvas has shown: the same, nearly the same, or others. */
export type CanvasTrust = 'exact' | 'near' | 'perturbed';

/** One label with its names. */
export interface Label {
  readonly name: string;
  readonly display: Readonly<Record<string, string>>;
}

/** A part of the upright photo; edges in its pixels, which may be fractions. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * One activation map per label, not normalised: `values[label * height * width + y * width + x]`. All of them cover the
 * answer's `box`.
 */
export interface ActivationMaps {
  readonly width: number;
  readonly height: number;
  readonly values: Float32Array;
}

/** A file of the published version. */
export interface PublishedFile {
  readonly path: string;
  readonly bytes: number;
}

/** The gallery that was published with the model, or why it cannot be searched. */
export type PublishedGallery =
  { readonly photos: number; readonly recall: number | null } | { readonly problem: GalleryProblem };

/** What the page is told once the model can answer. */
export interface Ready {
  readonly model: { readonly name: string; readonly version: string };
  readonly labels: readonly Label[];
  /** SHA-256 of contract.json, which identifies the published version. */
  readonly digest: string;
  /** Below this top score an answer is shown as "not sure". */
  readonly notSure: number | null;
  /** Numbers in an answer's embedding. */
  readonly embeddingSize: number;
  /** Whether answers have activation maps: not every network's head allows them without a gradient. */
  readonly maps: boolean;
  /** Which backend runs the model. */
  readonly backend: BackendName;
  readonly backends: readonly BackendStanding[];
  readonly canvas: CanvasTrust;
  /** The files that were loaded. */
  readonly files: readonly PublishedFile[];
  /** Null where there is none, and until nothing is left to be fetched. */
  readonly gallery: PublishedGallery | null;
}

/** What the worker answers for one photo. */
export interface Reply {
  /** Softmax over all labels, in the contract's order. */
  readonly scores: readonly number[];
  readonly embedding: Float32Array;
  /** Null where `Ready.maps` is false. */
  readonly maps: ActivationMaps | null;
  /** SHA-256 of the network's uint8 input (height, width, 3), RGB. */
  readonly inputSha256: string;
  readonly format: Format;
  /** Size of the upright photo in pixels. */
  readonly width: number;
  readonly height: number;
  /** The part of the upright photo that the network saw. */
  readonly box: Box;
  /** From the file to the network's input, and from there to the scores. */
  readonly milliseconds: { readonly decode: number; readonly inference: number };
  /** Tensors that there are once this answer is done: more from photo to photo would be a leak. */
  readonly tensors: number;
}

/** The answer for one photo, as the page has it. */
export interface Answer extends Reply {
  /** Comes after the answer, which does not wait for it; null where none could be drawn, or the worker has died. */
  readonly thumbnail: Promise<ImageBitmap | null>;
}

/** With `thumbnail`, a message of that kind follows the answer, and no failure. */
export type ToWorker =
  | {
      readonly kind: 'start';
      readonly model: string;
      readonly backend: BackendName | null;
      /** Address of the gallery's file. */
      readonly gallery: string | null;
    }
  | { readonly kind: 'classify'; readonly id: number; readonly file: Blob; readonly thumbnail: boolean }
  | { readonly kind: 'similar'; readonly id: number; readonly embedding: Float32Array; readonly count: number }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'use'; readonly backend: BackendName };

/**
 * `answering` comes as soon as photos are answered, `ready` once nothing is left to be fetched. `backends` comes whenever
 * their standing has changed, and with `asked` in answer to `use`.
 */
export type FromWorker =
  | { readonly kind: 'progress'; readonly loaded: number; readonly total: number }
  | { readonly kind: 'answering'; readonly ready: Ready }
  | { readonly kind: 'ready'; readonly ready: Ready }
  | { readonly kind: 'not-ready'; readonly failure: Failure }
  | { readonly kind: 'requested'; readonly requests: readonly { readonly url: string; readonly at: number }[] }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Reply }
  | { readonly kind: 'thumbnail'; readonly id: number; readonly thumbnail: ImageBitmap | null }
  | { readonly kind: 'neighbours'; readonly id: number; readonly neighbours: readonly Neighbour[] }
  | { readonly kind: 'failure'; readonly id: number; readonly failure: Failure }
  | {
      readonly kind: 'backends';
      readonly backend: BackendName;
      readonly backends: readonly BackendStanding[];
      readonly asked: BackendName | null;
    }
  | { readonly kind: 'backend-refused'; readonly backend: BackendName; readonly reason: Refusal };
