/** The messages between the upload page and the worker that shrinks its photos. */

export interface ToShrinker {
  readonly id: number;
  readonly file: Blob;
  /** Address of the server's contract. */
  readonly model: string;
}

export type FromShrinker =
  | { readonly id: number; readonly blob: Blob; readonly error?: never }
  | { readonly id: number; readonly error: string; readonly blob?: never };
