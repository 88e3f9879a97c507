/**
 * The photos that are left to look at, and the one that is looked at: pure, so that every key stroke can be tested.
 */
import type { Decided, Photo } from './api.ts';

export const FILTERS = ['doubtful', 'feedback', 'label-issue', 'high-loss', 'not-sure', 'all'] as const;
export type Filter = (typeof FILTERS)[number];

/** Whether a photo is among those that a filter shows. */
export function passes(photo: Photo, filter: Filter): boolean {
  if (filter === 'all') return true;
  if (photo.reviewed !== null) return false;
  return filter === 'doubtful' ? photo.reasons.length > 0 : photo.reasons.some(({ kind }) => kind === filter);
}

export class Pile {
  filter: Filter = 'doubtful';
  private photos: readonly Photo[];
  /** The paths that the filter showed when it was chosen: what is decided on stays in its place until then. */
  private shown: readonly string[] = [];
  private at = 0;
  /** The photos that were set aside here, which an undo brings back. */
  private readonly gone = new Set<string>();

  constructor(photos: readonly Photo[]) {
    this.photos = photos;
    this.show(photos.some((photo) => passes(photo, 'doubtful')) ? 'doubtful' : 'all');
  }

  /** The photo to look at; null behind the last one. */
  get current(): Photo | null {
    return this.find(this.shown[this.at]) ?? null;
  }

  /** The photos that come next, for the browser to fetch them ahead. */
  ahead(count: number): Photo[] {
    return this.shown.slice(this.at + 1, this.at + 1 + count).flatMap((path) => this.find(path) ?? []);
  }

  get position(): number {
    return this.at;
  }

  get length(): number {
    return this.shown.length;
  }

  /** How many photos a filter would show now. */
  count(filter: Filter): number {
    return this.there.filter((photo) => passes(photo, filter)).length;
  }

  show(filter: Filter): void {
    this.filter = filter;
    this.shown = this.there.filter((photo) => passes(photo, filter)).map(({ path }) => path);
    this.at = 0;
  }

  move(steps: number): void {
    this.at = Math.min(Math.max(this.at + steps, 0), this.shown.length);
  }

  /** Whether the page has been told of a photo: one that was decided on before it was loaded, it may not have. */
  knows(path: string): boolean {
    return this.photos.some((photo) => photo.path === path);
  }

  /** Take in the photos as the server has them by now; what is looked at stays. */
  reload(photos: readonly Photo[]): void {
    this.photos = photos;
    this.gone.clear();
  }

  /** Take in what was decided: the next photo is looked at, or after an undo the one that is back. */
  decided({ action, path, label, reviewed }: Decided): void {
    if (label === null) {
      this.gone.add(path);
    } else {
      this.gone.delete(path);
      this.photos = this.photos.map((photo) => (photo.path === path ? { ...photo, label, reviewed } : photo));
    }
    const place = this.shown.indexOf(path);
    if (action !== 'undo') {
      if (this.shown[this.at] === path) this.move(1);
    } else if (place >= 0) {
      this.at = place;
    } else {
      this.shown = [path, ...this.shown];
      this.at = 0;
    }
  }

  private get there(): Photo[] {
    return this.photos.filter(({ path }) => !this.gone.has(path));
  }

  private find(path: string | undefined): Photo | undefined {
    return this.there.find((photo) => photo.path === path);
  }
}

/** The label that is suggested most strongly, if it is another one than the photo's. */
export function suggestionFor(photo: Photo): string | null {
  const other = photo.reasons.filter(({ suggested }) => suggested !== null && suggested !== photo.label);
  return other.sort((a, b) => b.doubt - a.doubt)[0]?.suggested ?? null;
}
