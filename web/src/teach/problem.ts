/**
 * What can go wrong while the page is taught, with stable codes. As in ../failure.ts a problem carries facts, and
 * texts.ts words it.
 */

export type Problem =
  | { readonly code: 'label_missing' }
  | { readonly code: 'label_too_long'; readonly allowed: number }
  | { readonly code: 'too_many_labels'; readonly allowed: number }
  | { readonly code: 'too_many_photos'; readonly allowed: number }
  | { readonly code: 'storage_failed'; readonly reason: string }
  | { readonly code: 'file_unreadable' }
  | { readonly code: 'file_too_large'; readonly bytes: number; readonly allowed: number }
  | { readonly code: 'file_not_taught' }
  | { readonly code: 'file_version'; readonly version: string }
  | { readonly code: 'file_other_model'; readonly name: string; readonly version: string }
  | { readonly code: 'file_damaged'; readonly where: string };

/** A problem on its way up. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.code);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}
