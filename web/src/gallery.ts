/**
 * The list of photos: one card each, sorted and filtered as the visitor wants. Long lists are worked on in slices, and the
 * browser draws only the cards that are near what is seen (`content-visibility` in style.css).
 */
import type { Album, Group, Photo } from './album.ts';
import { type Order, passes, sorted } from './arrange.ts';
import { Card, type Copy, type View } from './card.ts';
import { inSlices } from './slices.ts';
import { labelText } from './text.ts';
import { Thumbnails } from './thumbnails.ts';

export class Gallery {
  private readonly list: HTMLElement;
  private readonly album: Album;
  private readonly copy: Copy;
  private readonly thumbnails = new Thumbnails();
  private readonly cards = new Map<Photo, Card>();
  /** What panels put on cards, which may not have been made yet. */
  private readonly badges = new Map<Photo, HTMLElement[]>();
  private view: View;
  private order: Order = 'given';
  private filter: Group | null = null;
  /** Ends what is being done in slices once the list is emptied. */
  private emptied = new AbortController();
  /** Ends a rendering once the next one begins. */
  private renderings = new AbortController();

  constructor(list: HTMLElement, album: Album, view: View, copy: Copy) {
    this.list = list;
    this.album = album;
    this.view = view;
    this.copy = copy;
  }

  /** Photos that have been added to the album get their cards. */
  async add(photos: readonly Photo[]): Promise<void> {
    await inSlices(
      photos,
      (photo) => {
        const card = new Card(photo, this.view, this.thumbnails, this.copy);
        card.element.hidden = !this.passes(photo);
        for (const badge of this.badges.get(photo) ?? []) card.attach(badge);
        this.cards.set(photo, card);
        this.list.append(card.element);
      },
      this.emptied.signal,
    );
  }

  /** Something has become of a photo. */
  update(photo: Photo): void {
    const card = this.cards.get(photo);
    if (!card) return; // made later, with what has become of the photo until then
    card.render(this.view);
    card.element.hidden = !this.passes(photo);
  }

  /** Put something on a photo's card. */
  attach(photo: Photo, badge: HTMLElement): void {
    this.badges.set(photo, [...(this.badges.get(photo) ?? []), badge]);
    this.cards.get(photo)?.attach(badge);
  }

  /** Show the answers in another way. */
  async show(view: View): Promise<void> {
    this.view = view;
    this.renderings.abort();
    this.renderings = new AbortController();
    await inSlices([...this.cards.values()], (card) => card.render(this.view), this.renderings.signal);
  }

  /** Show the photos of one group, or all. */
  filterBy(filter: Group | null): void {
    this.filter = filter;
    for (const [photo, card] of this.cards) card.element.hidden = !this.passes(photo);
  }

  sortBy(order: Order): void {
    this.order = order;
    this.arrange();
  }

  /** Put the cards in their order. Answers that come do not move anything: this is called once all have come. */
  arrange(): void {
    const wanted = this.sorted(this.album.photos).flatMap((photo) => this.cards.get(photo)?.element ?? []);
    if (wanted.every((element, index) => this.list.children[index] === element)) return;
    const focused = document.activeElement;
    this.list.append(...wanted);
    // An element loses the focus when it is moved.
    if (focused instanceof HTMLElement && this.list.contains(focused)) focused.focus({ preventScroll: true });
  }

  /** The photos that are shown, in the order in which they are. */
  shown(): Photo[] {
    return this.sorted(this.album.photos.filter((photo) => this.passes(photo)));
  }

  /** Take all cards away. */
  clear(): void {
    this.emptied.abort();
    this.emptied = new AbortController();
    this.renderings.abort();
    this.cards.clear();
    this.badges.clear();
    this.thumbnails.clear();
    this.list.replaceChildren();
    this.filter = null;
  }

  private passes(photo: Photo): boolean {
    return passes(photo, this.filter, this.view.ready?.notSure ?? null);
  }

  private sorted(photos: readonly Photo[]): Photo[] {
    const { language, ready } = this.view;
    const names = ready?.labels.map((label) => labelText(label, language)) ?? [];
    return sorted(photos, this.order, names, language);
  }
}
