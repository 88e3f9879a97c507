/**
 * What can go wrong, with the stable codes of twinlens/errors.py where the server has the same failure. A failure
 * carries facts, not sentences: the page words it in the visitor's language.
 */
import type { Format } from './sniff.ts';

export type Failure =
  | { readonly code: 'not_an_image'; readonly bytes: number }
  | { readonly code: 'unsupported_format'; readonly name: string }
  | { readonly code: 'server_only_format'; readonly format: Format }
  | { readonly code: 'broken_image'; readonly format: Format }
  | { readonly code: 'too_many_pixels'; readonly width: number; readonly height: number; readonly allowed: number }
  | { readonly code: 'unreadable_file' }
  | { readonly code: 'perturbed_pixels' }
  | { readonly code: 'model_not_found'; readonly path: string }
  | { readonly code: 'invalid_contract'; readonly reason: string }
  | { readonly code: 'invalid_model'; readonly path: string }
  | { readonly code: 'no_decompression' }
  | { readonly code: 'no_backend' }
  | { readonly code: 'internal'; readonly reason: string };

/** A failure on its way up. */
export class FailureError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.code);
    this.name = 'FailureError';
    this.failure = failure;
  }
}

/** The failure behind whatever was thrown. */
export function failureOf(error: unknown): Failure {
  if (error instanceof FailureError) return error.failure;
  return { code: 'internal', reason: error instanceof Error ? error.message : String(error) };
}
