/**
 * The gallery that was published with the model: where it lies, and its file. Its name has the SHA-256 of its bytes, so
 * that a browser may keep it for ever; it is held to the digest that it carries itself.
 */
import { type Gallery, GalleryError, openGallery } from './gallery.ts';

/** The address of the gallery; null where none was published. Whoever publishes one writes it into the page. */
export function findGallery(): string | null {
  const address = document.querySelector<HTMLMetaElement>('meta[name="twinlens-gallery"]')?.content;
  return address ? new URL(address, document.baseURI).href : null;
}

/**
 * Fetch and open a gallery.
 *
 * @param address of its file.
 * @param digest SHA-256 of the contract of the model that answers.
 * @throws GalleryError `not_found` if it cannot be had, else as `openGallery` does.
 */
export async function fetchGallery(address: string, digest: string): Promise<Gallery> {
  let file: ArrayBuffer;
  try {
    const response = await fetch(address);
    if (!response.ok) throw new Error(String(response.status));
    file = await response.arrayBuffer();
  } catch {
    throw new GalleryError('not_found', 'it cannot be fetched');
  }
  return openGallery(file, digest);
}
