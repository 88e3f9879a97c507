/** The messages between a page and the worker that shrinks its photos for a server. */

export interface ToShrinker {
  readonly id: number;
  readonly file: Blob;
  /** Address of the contract. */
  readonly model: string;
}

export type FromShrinker =
  | { readonly id: number; readonly blob: Blob; readonly error?: never }
  | { readonly id: number; readonly error: string; readonly blob?: never };
