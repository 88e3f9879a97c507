/**
 * SHA-256, in hexadecimal.
 */
import { sha256 as portable } from '@noble/hashes/sha2.js';

/**
 * Digest bytes. Browsers offer their own only to pages of `https:` or `localhost`; a page that the server gives out
 * in a local network has to do without.
 */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = isSecureContext ? new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)) : portable(bytes);
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
