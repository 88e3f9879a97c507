/**
 * The headers that hosts of static files often cannot send, put on the page's own files by the service worker.
 */
import { WORKER_POLICY } from '../policy.ts';

/** What of an answer describes the bytes on their way, not the bytes. */
const OF_TRANSPORT = ['content-encoding', 'content-length', 'transfer-encoding'];

/** The same page, isolated from other origins: what lets WebAssembly use threads. */
export function isolated(page: Response): Response {
  return adorned(page, {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
  });
}

/** The same file; a script may be a worker's, which has no policy but that of its own headers. */
export function confined(file: Response, url: string): Response {
  if (!/\.m?js$/.test(url)) return file;
  return adorned(file, {
    'Content-Security-Policy': WORKER_POLICY,
    'Cross-Origin-Embedder-Policy': 'require-corp',
  });
}

/** The same answer around bytes that were read out of it. */
export function refilled(response: Response, bytes: BodyInit): Response {
  const headers = new Headers(response.headers);
  for (const name of OF_TRANSPORT) headers.delete(name);
  return new Response(bytes, { headers });
}

/** Headers that the host itself sends are left as they are. */
function adorned(response: Response, added: Readonly<Record<string, string>>): Response {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(added)) if (!headers.has(name)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
