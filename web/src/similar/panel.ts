/**
 * The photos of the published gallery that are most like one of the visitor's: found by the worker, on the device.
 */
import './similar.css';
import type { Bridge } from '../bridge.ts';
import { element } from '../dom.ts';
import type { AnsweredPhoto, Panel } from '../panels.ts';
import type { Ready } from '../protocol.ts';
import { labelText, type Language, percentText } from '../text.ts';
import type { Neighbour } from './gallery.ts';
import { SIMILAR_TEXTS } from './text.ts';

const SHOWN = 10;
/** The photos that can be chosen: the latest ones. */
const OFFERED = 100;

type Stage =
  | { readonly kind: 'choosing' | 'searching' | 'failed' }
  | { readonly kind: 'shown'; readonly photo: AnsweredPhoto; readonly neighbours: readonly Neighbour[] };

/** What the panel needs of the page. */
export interface Surroundings {
  readonly bridge: Pick<Bridge, 'similar'>;
  readonly ready: Ready;
  readonly language: Language;
}

/** Mount the panel in a section, once the page is loaded; null where no gallery was published. */
export function mountSimilar(section: HTMLElement, { bridge, ready, language: first }: Surroundings): Panel | null {
  if (!ready.gallery) return null;
  const gallery = ready.gallery;
  const searchable = 'photos' in gallery;
  let language = first;
  let photos: AnsweredPhoto[] = [];
  let stage: Stage = { kind: 'choosing' };
  /** Counts questions: what an earlier one comes to no longer matters. */
  let question = 0;

  const title = element('summary');
  const lead = element('p');
  const recall = element('p', 'similar-note');
  const none = element('p', 'similar-note');
  const words = element('span');
  const choice = marked(element('select'), 'photo');
  const label = element('label', 'similar-select');
  label.append(words, choice);
  const status = marked(element('p', 'similar-status'), 'status');
  status.setAttribute('role', 'status');
  const result = marked(element('div', 'similar-result'), 'result');
  const details = element('details', 'similar');
  details.append(title, lead, recall, none, label, status, result);
  section.id = 'similar';
  section.append(details);

  function speak(next: Language): void {
    language = next;
    const texts = SIMILAR_TEXTS[next];
    title.textContent = texts.title;
    none.textContent = texts.none;
    words.textContent = texts.photo;
    if ('photos' in gallery) {
      lead.textContent = texts.lead(new Intl.NumberFormat(next).format(gallery.photos));
      recall.textContent = gallery.recall === null ? '' : texts.recall(percentText(gallery.recall, next));
    } else {
      lead.textContent = texts.problems[gallery.problem];
    }
    render();
  }

  function render(): void {
    none.hidden = !searchable || photos.length > 0;
    label.hidden = !searchable || photos.length === 0;
    recall.hidden = recall.textContent === '';
    result.hidden = stage.kind !== 'shown';
    details.dataset.stage = stage.kind;
    status.textContent = statusText();
    result.replaceChildren(...(stage.kind === 'shown' ? [tableOf(stage.neighbours, ready, language)] : []));
  }

  function statusText(): string {
    const texts = SIMILAR_TEXTS[language];
    if (stage.kind === 'searching') return texts.searching;
    if (stage.kind === 'failed') return texts.failed;
    if (stage.kind === 'shown') return texts.found(stage.neighbours.length, stage.photo.file.name);
    return '';
  }

  function enter(next: Stage): void {
    stage = next;
    render();
  }

  /** Search for what is chosen, where the visitor sees it. */
  async function search(): Promise<void> {
    const mine = ++question;
    const photo = photos.find(({ id }) => id === choice.value);
    if (!searchable || !photo || !details.open) {
      enter({ kind: 'choosing' });
      return;
    }
    enter({ kind: 'searching' });
    try {
      const neighbours = await bridge.similar(photo.answer.embedding, SHOWN);
      if (mine === question) enter({ kind: 'shown', photo, neighbours });
    } catch {
      if (mine === question) enter({ kind: 'failed' });
    }
  }

  choice.addEventListener('change', () => void search());
  details.addEventListener('toggle', () => void search());
  speak(language);

  return {
    speak,
    answered(photo) {
      photos = [photo, ...photos].slice(0, OFFERED);
      const option = element('option', '', photo.file.name);
      option.value = photo.id;
      option.id = `similar-${photo.id}`;
      choice.prepend(option);
      choice.length = photos.length;
      // What the visitor sees chosen stays chosen.
      if (stage.kind === 'choosing') {
        choice.value = photo.id;
        void search();
      } else {
        render();
      }
      return null;
    },
    forget(id) {
      photos = photos.filter((photo) => photo.id !== id);
      choice.namedItem(`similar-${id}`)?.remove();
      void search();
    },
  };
}

/** Each neighbour's name, label and likeness. */
function tableOf(neighbours: readonly Neighbour[], { labels }: Ready, language: Language): HTMLElement {
  const texts = SIMILAR_TEXTS[language];
  const table = element('table');
  const head = element('tr');
  for (const text of [texts.place, texts.label, texts.likeness]) {
    const cell = element('th', '', text);
    cell.scope = 'col';
    head.append(cell);
  }
  const rows = neighbours.map(({ id, label, score }) => {
    const row = marked(element('tr'), 'neighbour');
    row.dataset.id = id;
    row.dataset.value = String(score);
    const known = labels.find(({ name }) => name === label);
    const name = element('th', '', id);
    name.scope = 'row';
    row.append(
      name,
      element('td', '', known ? labelText(known, language) : (label ?? texts.unknown)),
      element('td', '', percentText(Math.min(Math.max(score, 0), 1), language)),
    );
    return row;
  });
  const [above, body] = [element('thead'), element('tbody')];
  above.append(head);
  body.append(...rows);
  table.append(above, body);
  const frame = element('div', 'similar-table');
  // A table that is wider than the page scrolls, also by the keyboard.
  frame.tabIndex = 0;
  frame.setAttribute('role', 'region');
  frame.setAttribute('aria-label', texts.table);
  frame.append(table);
  return frame;
}

/** The same element, with a name that tests hold on to. */
function marked<Kind extends HTMLElement>(made: Kind, name: string): Kind {
  made.dataset.testid = `similar-${name}`;
  return made;
}
