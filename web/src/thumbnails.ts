/**
 * The thumbnails of any number of photos in a bounded amount of memory: only those near the part of the page that is
 * seen stay drawn; the others are kept as small files and drawn again when they come near.
 */

/** How many stay drawn. At 384 × 384 pixels, each takes 0.6 MB. */
const DRAWN = 100;
/** How near is near: one more screen above and below. */
const MARGIN = '100% 0px';
/** A format that Safari cannot write becomes PNG. */
const KEPT_AS = 'image/webp';

interface Thumbnail {
  readonly canvas: HTMLCanvasElement;
  near: boolean;
  drawn: boolean;
  /** The picture as a file, once it has been put away. */
  file: Blob | null;
}

export class Thumbnails {
  /** In the order in which they were drawn. */
  private readonly all = new Map<Element, Thumbnail>();
  private readonly observer = new IntersectionObserver((entries) => this.moved(entries), { rootMargin: MARGIN });

  /**
   * Draw a thumbnail and look after it.
   *
   * @param place the element whose nearness counts.
   * @param bitmap is taken over.
   */
  put(place: Element, canvas: HTMLCanvasElement, bitmap: ImageBitmap): void {
    draw(canvas, bitmap);
    this.all.set(place, { canvas, near: false, drawn: true, file: null });
    this.observer.observe(place);
    void this.putAway();
  }

  /** Forget all thumbnails. */
  clear(): void {
    this.observer.disconnect();
    this.all.clear();
  }

  private moved(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const thumbnail = this.all.get(target);
      if (!thumbnail) continue;
      thumbnail.near = isIntersecting;
      if (isIntersecting && !thumbnail.drawn) void this.drawAgain(target, thumbnail);
    }
    void this.putAway();
  }

  private async drawAgain(place: Element, thumbnail: Thumbnail): Promise<void> {
    if (!thumbnail.file) return;
    const bitmap = await createImageBitmap(thumbnail.file);
    if (thumbnail.drawn || !thumbnail.near || this.all.get(place) !== thumbnail) {
      bitmap.close();
      return;
    }
    draw(thumbnail.canvas, bitmap);
    thumbnail.drawn = true;
    this.all.delete(place);
    this.all.set(place, thumbnail);
  }

  /** Put away what is too much, the longest drawn first. */
  private async putAway(): Promise<void> {
    const drawn = [...this.all.values()].filter((thumbnail) => thumbnail.drawn);
    const far = drawn.filter((thumbnail) => !thumbnail.near).slice(0, Math.max(drawn.length - DRAWN, 0));
    for (const thumbnail of far) thumbnail.drawn = false;
    for (const thumbnail of far) {
      thumbnail.file ??= await new Promise((resolve) => thumbnail.canvas.toBlob(resolve, KEPT_AS, 0.85));
      // It may have come near while it was written; where writing failed it has to stay.
      if (thumbnail.near || !thumbnail.file) thumbnail.drawn = true;
      else if (!thumbnail.drawn) thumbnail.canvas.width = thumbnail.canvas.height = 1; // not drawn again meanwhile
    }
  }
}

function draw(canvas: HTMLCanvasElement, bitmap: ImageBitmap): void {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext('bitmaprenderer')?.transferFromImageBitmap(bitmap);
}
