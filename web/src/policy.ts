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

/** Added to the document's once everything is loaded, where there is no server to ask: policies add up. */
export const SEAL = ["connect-src 'none'", 'img-src blob: data:'].join('; ');
