/**
 * One taught label on the page: its photos, small, and how it fares.
 */
import type { Language } from '../text.ts';
import { button, make, takeDrops } from './dom.ts';
import type { Example } from './example.ts';
import type { Learned } from './learn.ts';
import { TEACH_TEXTS, type TeachTexts } from './texts.ts';

/** What a row asks of the panel. */
export interface RowActions {
  add(): void;
  drop(files: File[]): void;
  remove(): void;
  removePhoto(example: Example): void;
}

export class Row {
  readonly element = make('li', 'teach-row');
  readonly addButton: HTMLButtonElement;
  private readonly name = make('h3', 'teach-name');
  private readonly facts = make('p', 'teach-facts');
  private readonly photos = make('ul', 'teach-photos');
  private readonly removeButton: HTMLButtonElement;
  private readonly label: string;
  private readonly actions: RowActions;
  private readonly shown = new Map<string, Photo>();

  constructor(label: string, actions: RowActions) {
    this.label = label;
    this.actions = actions;
    this.element.dataset.testid = 'teach-row';
    this.element.dataset.label = label;
    this.name.textContent = label;
    this.addButton = button('quiet', () => actions.add());
    this.addButton.dataset.testid = 'teach-add';
    this.removeButton = button('quiet', () => actions.remove());
    this.removeButton.dataset.testid = 'teach-remove-label';
    const head = make('div', 'teach-head');
    head.append(this.name, this.facts, this.addButton, this.removeButton);
    this.element.append(head, this.photos);
    takeDrops(this.element, (files) => actions.drop(files));
  }

  /** Show these examples of the label. */
  update(examples: readonly Example[], learned: Learned | null, language: Language): void {
    const { label } = this;
    const texts = TEACH_TEXTS[language];
    const facts = [texts.photos(examples.length)];
    const quality = learned?.byLabel.get(label);
    if (quality?.tested === 0) facts.push(texts.labelUntested);
    else if (quality) facts.push(texts.labelQuality(quality.right, quality.tested, quality.refused));
    this.facts.textContent = facts.join(' · ');
    this.photos.setAttribute('aria-label', label);
    name(this.addButton, texts.static.add, texts.addTo(label));
    name(this.removeButton, texts.static.removeLabel, texts.removeLabel(label));

    const wanted = new Set(examples.map((example) => example.sha256));
    for (const [sha256, photo] of this.shown) {
      if (wanted.has(sha256)) continue;
      photo.close();
      this.shown.delete(sha256);
    }
    examples.forEach((example, index) => {
      let photo = this.shown.get(example.sha256);
      if (!photo) {
        photo = new Photo(example, () => this.actions.removePhoto(example));
        this.shown.set(example.sha256, photo);
        this.photos.append(photo.element);
      }
      photo.update(index + 1, label, learned?.leftOut.get(example.sha256), texts);
    });
  }

  /** Put the focus where a photo was that is gone. */
  focusNear(index: number): void {
    const left = [...this.shown.values()];
    (left[Math.min(index, left.length - 1)]?.removeButton ?? this.addButton).focus();
  }

  close(): void {
    for (const photo of this.shown.values()) photo.close();
    this.element.remove();
  }
}

class Photo {
  readonly element = make('li', 'teach-photo');
  readonly removeButton: HTMLButtonElement;
  private readonly picture: HTMLElement;
  private readonly address: string | null;

  constructor(example: Example, remove: () => void) {
    this.address = example.thumbnail && URL.createObjectURL(new Blob([example.thumbnail], { type: 'image/jpeg' }));
    if (this.address === null) {
      this.picture = make('span', 'teach-picture');
    } else {
      const image = make('img', 'teach-picture');
      image.src = this.address;
      this.picture = image;
    }
    this.picture.setAttribute('role', 'img');
    this.removeButton = button('teach-delete', remove);
    this.removeButton.dataset.testid = 'teach-remove-photo';
    this.element.append(this.picture, this.removeButton);
  }

  /** @param leftOut the answer while it was left out; undefined where it was not. */
  update(number: number, label: string, leftOut: string | null | undefined, texts: TeachTexts): void {
    const wrong = leftOut !== undefined && leftOut !== label;
    const words = [texts.photo(number, label)];
    if (wrong) words.push(leftOut === null ? texts.takenForNone : texts.takenFor(leftOut));
    this.element.classList.toggle('teach-wrong', wrong);
    this.picture.setAttribute('aria-label', words.join(texts.comma));
    this.picture.title = words.join(texts.comma);
    name(this.removeButton, '×', texts.removePhoto(number, label));
  }

  close(): void {
    if (this.address !== null) URL.revokeObjectURL(this.address);
    this.element.remove();
  }
}

/** A button's short words, and the whole of it for those who meet it on its own. */
function name(control: HTMLButtonElement, short: string, whole: string): void {
  control.textContent = short;
  control.setAttribute('aria-label', whole);
  control.title = whole;
}
