/**
 * Headers of what the service worker answers.
 */

/** What of an answer describes the bytes on their way, not the bytes. */
const OF_TRANSPORT = ['content-encoding', 'content-length', 'transfer-encoding'];

/** Hosts of static files often cannot send these. */
const ISOLATION: Readonly<Record<string, string>> = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** The same page, isolated from other origins, which lets WebAssembly use threads. What the host itself says stays. */
export function isolated(page: Response): Response {
  const headers = new Headers(page.headers);
  for (const [name, value] of Object.entries(ISOLATION)) if (!headers.has(name)) headers.set(name, value);
  const { status, statusText } = page;
  return new Response(page.body, { status, statusText, headers });
}

/** The same answer around bytes that were read out of it. */
export function refilled(response: Response, bytes: BodyInit): Response {
  const headers = new Headers(response.headers);
  for (const name of OF_TRANSPORT) headers.delete(name);
  return new Response(bytes, { headers });
}
