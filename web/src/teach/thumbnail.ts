/**
 * Small pictures to know examples by.
 */
import { LIMITS } from './example.ts';

/** Longest edge in pixels: twice what is shown, for dense screens. */
const EDGE = 112;
const QUALITY = 0.75;

/**
 * Draw a photo small, as a JPEG.
 *
 * @param photo a picture, which is left as it is, or the file of one.
 * @returns null where the browser cannot: an example does without.
 */
export async function makeThumbnail(photo: ImageBitmap | Blob): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    if (!(photo instanceof Blob)) return await drawn(photo);
    const bitmap = await createImageBitmap(photo);
    try {
      return await drawn(bitmap);
    } finally {
      bitmap.close();
    }
  } catch {
    return null;
  }
}

async function drawn(bitmap: ImageBitmap): Promise<Uint8Array<ArrayBuffer> | null> {
  const scale = Math.min(EDGE / Math.max(bitmap.width, bitmap.height), 1);
  const canvas = new OffscreenCanvas(
    Math.max(Math.round(bitmap.width * scale), 1),
    Math.max(Math.round(bitmap.height * scale), 1),
  );
  const context = canvas.getContext('2d', { alpha: false });
  if (!context) return null;
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: QUALITY });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return blob.type === 'image/jpeg' && bytes.length <= LIMITS.thumbnailBytes ? bytes : null;
}
