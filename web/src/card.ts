/**
 * One photo on the page: its thumbnail, and its answer as bars with text, or what went wrong.
 *
 * Outside tests hold on to the following, which stays. An element becomes `data-testid="result"` when it has an answer
 * or an error; the elements stand in the order in which the photos were given, until the visitor asks for another. With
 * an answer it has `data-scores` (JSON: every label's score in the contract's order, full precision) and
 * `data-input-sha256` (of the network's uint8 input), and holds `top-label` (`data-label`: the contract's name of it) and
 * `top-score` (`data-value`: 0 to 1, full precision). With an error it has `data-error`, a stable code.
 */
import { isNotSure, type Outcome, type Photo } from './album.ts';
import { bars } from './bars.ts';
import { button, element } from './dom.ts';
import { coloured, enlarged, evidence } from './heat.ts';
import type { Answer, Ready } from './protocol.ts';
import { failureText, labelText, type Language, TEXTS } from './text.ts';
import type { Thumbnails } from './thumbnails.ts';

/** How the visitor wants to see the answers. */
export interface View {
  readonly language: Language;
  /** Null until the model can answer. */
  readonly ready: Ready | null;
  /** How many labels are shown at most. */
  readonly shown: number;
  readonly map: boolean;
}

/** What a card's button does; null where the browser has no way to do it. */
export type Copy = ((photo: Photo) => Promise<unknown>) | null;

/** Photos that are much wider or higher than these are shown with a margin, so that cards stay alike. */
const FRAME_ASPECT = { least: 3 / 4, most: 4 / 3 };
/** Edge of a map in pixels, which the browser enlarges to the thumbnail's size. */
const MAP_EDGE = 72;

export class Card {
  readonly photo: Photo;
  readonly element = element('li', 'card');
  private readonly thumbnails: Thumbnails;
  private readonly copy: Copy;
  private readonly frame = element('div', 'frame');
  private readonly sight = element('div', 'sight');
  private readonly facts = element('p', 'facts');
  private readonly told = element('div', 'told');
  private readonly side = element('div', 'side');
  private readonly body = element('div', 'body');
  private readonly badges = element('div', 'badges');
  private shownOutcome: Outcome | null = null;
  /** The label whose map is shown, null for the best. */
  private mapped: number | null = null;

  constructor(photo: Photo, view: View, thumbnails: Thumbnails, copy: Copy) {
    this.photo = photo;
    this.thumbnails = thumbnails;
    this.copy = copy;
    this.frame.append(this.sight);
    const name = element('p', 'name', photo.name.slice(photo.name.lastIndexOf('/') + 1));
    name.title = photo.name;
    this.told.append(this.facts);
    this.side.append(this.frame, name, this.told);
    const said = element('div', 'answer');
    said.append(this.body, this.badges);
    this.element.append(this.side, said);
    this.render(view);
  }

  /** Put something on the card that its owner keeps up to date. */
  attach(badge: HTMLElement): void {
    this.badges.append(badge);
  }

  /** Show what has become of the photo, in the visitor's words. */
  render(view: View): void {
    const { outcome } = this.photo;
    if (outcome !== this.shownOutcome) {
      this.shownOutcome = outcome;
      this.change(outcome);
    }
    const texts = TEXTS[view.language];
    if (outcome.kind === 'answer' && view.ready) {
      this.body.replaceChildren(...this.answer(outcome.answer, outcome.best, view, view.ready));
    } else if (outcome.kind === 'failure') {
      this.body.replaceChildren(element('p', 'problem', failureText(outcome.failure, view.language)));
    } else if (outcome.kind !== 'answer') {
      this.body.replaceChildren(element('p', 'pending', texts[outcome.kind]));
    }
  }

  private change(outcome: Outcome): void {
    const { dataset } = this.element;
    dataset.state = outcome.kind;
    if (outcome.kind === 'answer') {
      const { format, width, height, scores, inputSha256, milliseconds } = outcome.answer;
      this.facts.textContent = `${format.toUpperCase()} · ${width}\u00a0×\u00a0${height}`; // the size on one line
      this.picture(outcome.answer);
      dataset.scores = JSON.stringify(scores);
      dataset.inputSha256 = inputSha256;
      dataset.milliseconds = JSON.stringify(milliseconds);
      dataset.testid = 'result';
    } else if (outcome.kind === 'failure') {
      dataset.error = outcome.failure.code;
      dataset.testid = 'result';
    }
  }

  private picture({ width, height, thumbnail }: Answer): void {
    const aspect = width / height;
    const frame = Math.min(Math.max(aspect, FRAME_ASPECT.least), FRAME_ASPECT.most);
    this.frame.style.setProperty('aspect-ratio', String(frame));
    this.sight.style.setProperty('aspect-ratio', `${width} / ${height}`);
    this.sight.style.setProperty('inline-size', `${Math.min(aspect / frame, 1) * 100}%`);
    const canvas = element('canvas');
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', this.photo.name);
    this.sight.replaceChildren(canvas);
    void thumbnail.then((bitmap) => {
      if (!bitmap) return;
      // The list may have been emptied meanwhile.
      if (this.element.isConnected) this.thumbnails.put(this.element, canvas, bitmap);
      else bitmap.close();
    });
  }

  private answer(answer: Answer, best: number, view: View, { labels, notSure }: Ready): HTMLElement[] {
    const { language } = view;
    const { scores, maps } = answer;
    const mapped = view.map && maps ? (this.mapped ?? best) : null;
    this.element.classList.toggle('mapped', mapped !== null);
    this.sight.querySelector('.map')?.remove();
    if (mapped !== null) {
      const map = this.map(answer, mapped);
      map?.setAttribute('aria-label', TEXTS[language].mapOf(labelText(labels[mapped], language), this.photo.name));
      if (map) this.sight.append(map);
    }
    const choose = (label: number) => {
      this.mapped = label;
      this.render(view);
      this.body.querySelector<HTMLElement>(`[data-index="${label}"]`)?.focus();
    };
    const list = bars(scores, labels, view.shown, language, mapped === null ? null : { chosen: mapped, choose });
    this.mark(list, labels[best].name, scores[best]);
    const made: HTMLElement[] = [list];
    const unsure = isNotSure(scores, best, notSure);
    this.element.classList.toggle('not-sure', unsure);
    if (unsure) made.unshift(element('p', 'doubt', TEXTS[language].notSure));
    this.renderCopy(language);
    return made;
  }

  /** What outside tests hold on to. */
  private mark(list: HTMLElement, name: string, value: number): void {
    const [label, score] = list.querySelectorAll<HTMLElement>('.label, .score');
    label.dataset.testid = 'top-label';
    label.dataset.label = name;
    score.dataset.testid = 'top-score';
    score.dataset.value = String(value);
  }

  /** The map of one label, to be laid on the thumbnail where the network saw the photo. */
  private map({ maps, width, height, box }: Answer, label: number): HTMLCanvasElement | null {
    const canvas = element('canvas', 'map');
    canvas.width = canvas.height = MAP_EDGE;
    canvas.setAttribute('role', 'img');
    const context = canvas.getContext('2d');
    if (!maps || !context) return null;
    const pixels = coloured(enlarged(evidence(maps, label), maps.width, maps.height, MAP_EDGE));
    context.putImageData(new ImageData(pixels, MAP_EDGE, MAP_EDGE), 0, 0);
    const place = {
      'inset-inline-start': box.left / width,
      'inset-block-start': box.top / height,
      'inline-size': (box.right - box.left) / width,
      'block-size': (box.bottom - box.top) / height,
    };
    for (const [property, share] of Object.entries(place)) canvas.style.setProperty(property, `${share * 100}%`);
    return canvas;
  }

  private renderCopy(language: Language): void {
    const { copy } = this;
    if (!copy) return;
    const texts = TEXTS[language];
    let control = this.side.querySelector<HTMLButtonElement>('.copy');
    if (!control) {
      control = button('copy', '', () => void copy(this.photo));
      this.told.append(control);
    }
    control.textContent = texts.copy;
    control.setAttribute('aria-label', texts.copyOf(this.photo.name));
  }
}
