/**
 * One request to the server that the page was served by, and why it may have no answer.
 */

/** Why there is no answer. */
export type Refusal =
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'late' }
  | {
      readonly kind: 'problem';
      /** A stable code of twinlens/errors.py; empty where something before the server answered. */
      readonly code: string;
      readonly status: number;
      /** Seconds to wait before another try, where the server says so. */
      readonly retryAfter: number | null;
    };

export class RefusalError extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.kind);
    this.name = 'RefusalError';
    this.refusal = refusal;
  }
}

const PATIENCE_MS = 60_000;

/**
 * Send something to the server.
 *
 * @param read takes what is needed out of the answer, which is JSON; throws where it is another one than it should be.
 * @throws RefusalError
 */
export async function requested<Answer>(
  address: URL,
  body: Blob | FormData,
  read: (answer: unknown) => Answer,
): Promise<Answer> {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(address, { method: 'POST', body, cache: 'no-store', signal });
    if (!response.ok) throw await problemOf(response);
    return read(await response.json());
  } catch (error) {
    if (error instanceof RefusalError) throw error;
    const late = error instanceof DOMException && error.name === 'TimeoutError';
    throw new RefusalError({ kind: late ? 'late' : 'unreachable' });
  }
}

/** An RFC 9457 problem, or whatever a proxy on the way said instead. */
async function problemOf(response: Response): Promise<RefusalError> {
  const body = (await response.json().catch(() => null)) as { readonly code?: unknown } | null;
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  return new RefusalError({
    kind: 'problem',
    code: typeof body?.code === 'string' ? body.code : '',
    status: response.status,
    retryAfter: Number.isFinite(seconds) ? seconds : null,
  });
}
