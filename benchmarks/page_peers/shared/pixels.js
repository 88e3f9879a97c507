/** From a photo to the input of a network, as tutorials do it: a canvas of its size, and a loop over its pixels. */

/** The middle of the photo as RGBA bytes of `size` x `size` pixels. */
export async function middle(file, size) {
  const bitmap = await createImageBitmap(file);
  const side = Math.min(bitmap.width, bitmap.height);
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
  context.drawImage(bitmap, left, top, side, side, 0, 0, size, size);
  bitmap.close();
  return context.getImageData(0, 0, size, size).data;
}

/** The best of some logits, and its share of their softmax. */
export function best(logits, labels) {
  const largest = Math.max(...logits);
  const shares = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = shares.reduce((total, share) => total + share, 0);
  const at = shares.indexOf(Math.max(...shares));
  return { label: labels[at], score: shares[at] / sum };
}
