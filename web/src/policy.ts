/**
 * What the page may do, wherever it is hosted. The page carries its policy itself (a `<meta>`); hosts that can send it as a
 * header. twinlens/headers.py has the same for Python; a test holds the two together.
 */

/** Of the document, and of the workers that it starts: no other host, no inline script, no eval. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "connect-src 'self'",
  "img-src 'self' blob: data:",
  "style-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** Of app.webmanifest. Browsers fetch them when the visitor installs the page, under the policy of the document. */
export const ICONS = ['icons/icon-192.png', 'icons/icon-512.png', 'icons/maskable-512.png'];

/**
 * Added to the document's once everything is loaded, where there is no server to ask: policies add up.
 *
 * @param base address of the folder of index.html, ending with a slash.
 */
export function sealOf(base: string): string {
  const icons = ICONS.map((path) => new URL(path, base).href.replace(/[;,]/g, encodeURIComponent));
  return ["connect-src 'none'", `img-src blob: data: ${icons.join(' ')}`].join('; ');
}
