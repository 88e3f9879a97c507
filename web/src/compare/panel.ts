/**
 * "Compare with the server": one photo, sent after a clear consent, and both answers side by side. The control is there
 * only on a page that a Twinlens server gave out.
 */
import './compare.css';
import type { Ready } from '../protocol.ts';
import { type Language, megabytesText, percentText } from '../text.ts';
import { compareAnswers, type Difference } from './difference.ts';
import { ask, type Refusal, RefusalError, type ServerAnswer } from './server.ts';
import { Shrinker } from './shrink.ts';
import { COMPARE_TEXTS } from './text.ts';

const SHOWN = 3;
/** The photos that can be chosen: the latest ones. */
const OFFERED = 100;

/** A photo that the page has answered. */
export interface Photo {
  readonly id: string;
  readonly file: File;
  readonly answer: {
    readonly scores: readonly number[];
    readonly milliseconds?: { readonly decode: number; readonly inference: number };
  };
}

export interface CompareOptions {
  readonly ready: Pick<Ready, 'model' | 'labels' | 'digest'>;
  /** The address that classifies. */
  readonly server: URL;
  readonly language: Language;
}

export interface ComparePanel {
  speak(language: Language): void;
  /** A photo has been answered, and can be chosen. */
  answered(photo: Photo): void;
  /** The page was cleared. */
  cleared(): void;
}

type Stage =
  | { readonly kind: 'choosing' | 'preparing' | 'sending' | 'cannot-shrink' }
  | { readonly kind: 'asking'; readonly photo: Photo; readonly picture: Blob }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'shown'; readonly photo: Photo; readonly answer: ServerAnswer; readonly difference: Difference };

/** Mount the panel in a section, once the page is loaded. */
export function mountCompare(section: HTMLElement, { ready, server, ...options }: CompareOptions): ComparePanel {
  let { language } = options;
  let photos: Photo[] = [];
  let stage: Stage = { kind: 'choosing' };
  let remembered = false;
  const shrinker = new Shrinker(new URL(`model/${ready.model.version}/contract.json`, document.baseURI).href);

  const title = make('summary');
  const lead = make('p');
  const none = make('p', 'compare-note');
  const photo = labelled('select');
  photo.control.dataset.testid = 'compare-photo';
  const original = labelled('input');
  original.control.type = 'checkbox';
  original.control.dataset.testid = 'compare-original';
  const prepare = button('compare-prepare');
  const consent = make('div', 'compare-consent');
  consent.dataset.testid = 'compare-consent';
  consent.tabIndex = -1;
  const what = make('p');
  const keeps = make('p', 'compare-note');
  const remember = labelled('input');
  remember.control.type = 'checkbox';
  const send = button('compare-send', 'button primary');
  const cancel = button('compare-cancel');
  const choices = make('div', 'compare-actions');
  choices.append(send, cancel);
  consent.append(what, keeps, remember.label, choices);
  const status = make('p', 'compare-status');
  status.dataset.testid = 'compare-status';
  status.setAttribute('role', 'status');
  const result = make('div', 'compare-result');
  result.dataset.testid = 'compare-result';
  const details = make('details', 'compare');
  const form = make('div', 'compare-form');
  form.append(photo.label, original.label, prepare);
  details.append(title, lead, none, form, consent, status, result);
  section.replaceChildren(details);

  const render = () => {
    const texts = COMPARE_TEXTS[language];
    none.hidden = photos.length > 0;
    form.hidden = photos.length === 0;
    const busy = stage.kind === 'preparing' || stage.kind === 'sending';
    prepare.disabled = busy;
    consent.hidden = stage.kind !== 'asking';
    result.hidden = stage.kind !== 'shown';
    status.textContent = '';
    details.dataset.stage = stage.kind;
    if (stage.kind === 'preparing') status.textContent = texts.preparing;
    else if (stage.kind === 'sending') status.textContent = texts.sending;
    else if (stage.kind === 'cannot-shrink') status.textContent = texts.cannotShrink;
    else if (stage.kind === 'refused') status.textContent = texts.refused(stage.refusal);
    else if (stage.kind === 'asking') renderConsent(stage.photo, stage.picture);
    else if (stage.kind === 'shown') {
      status.textContent = stage.difference.agreed ? texts.agreed : texts.disagreed;
      result.replaceChildren(...resultOf(stage.photo, stage.answer, stage.difference));
    }
  };

  const renderConsent = ({ file }: Photo, picture: Blob) => {
    const texts = COMPARE_TEXTS[language];
    // Where the photo is smaller than what it would be shrunk to, it is the file itself.
    const words = isOriginal(file, picture) ? texts.consentOriginal : texts.consentShrunk;
    what.textContent = words(file.name, sizeText(picture.size, language), server.href);
  };

  const resultOf = ({ answer }: Photo, theirs: ServerAnswer, { rows, largest }: Difference): HTMLElement[] => {
    const texts = COMPARE_TEXTS[language];
    const points = (score: number) =>
      new Intl.NumberFormat(language, { maximumSignificantDigits: 2 }).format(Math.abs(score) * 100);
    const nameOf = (index: number) => ready.labels[index].display[language] ?? ready.labels[index].display.en;
    const table = make('table');
    const caption = make('caption', 'hidden-text', texts.table);
    const head = make('thead');
    head.append(rowOf('th', [texts.label, texts.here, texts.there, texts.difference]));
    for (const cell of head.querySelectorAll('th')) cell.scope = 'col';
    const body = make('tbody');
    for (const { index, here, there } of rows) {
      const row = rowOf('td', [percentText(here, language), percentText(there, language), points(there - here)]);
      row.dataset.label = ready.labels[index].name;
      row.dataset.here = String(here);
      row.dataset.there = String(there);
      row.prepend(headOf(nameOf(index)));
      body.append(row);
    }
    const { milliseconds } = answer;
    const time = rowOf('td', [
      milliseconds ? texts.milliseconds(whole(milliseconds.decode + milliseconds.inference, language)) : '–',
      texts.milliseconds(whole(theirs.milliseconds, language)),
      '',
    ]);
    time.prepend(headOf(texts.time));
    const foot = make('tfoot');
    foot.append(time);
    table.append(caption, head, body, foot);
    const frame = make('div', 'compare-table');
    frame.append(table);
    const notes = [texts.largest(nameOf(largest.index), points(largest.there - largest.here)), texts.onTheWay];
    if (theirs.model.digest !== ready.digest) notes.push(texts.otherModel(ready.model.version, theirs.model.version));
    return [frame, ...notes.map((note) => make('p', 'compare-note', note))];
  };

  const enter = (next: Stage) => {
    stage = next;
    render();
  };

  const sendPicture = async (chosen: Photo, picture: Blob) => {
    enter({ kind: 'sending' });
    try {
      const answer = await ask(server, picture, ready.labels.length);
      const names = ready.labels.map(({ name }) => name);
      const difference = compareAnswers(names, chosen.answer.scores, answer.scores, SHOWN);
      enter({ kind: 'shown', photo: chosen, answer, difference });
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      enter({ kind: 'refused', refusal: error.refusal });
    }
  };

  const preparePicture = async () => {
    const chosen = photos.find(({ id }) => id === photo.control.value);
    if (!chosen) return;
    enter({ kind: 'preparing' });
    let picture: Blob = chosen.file;
    try {
      if (!original.control.checked) picture = await shrinker.shrink(chosen.file);
    } catch (error) {
      const unreachable = error instanceof Error && error.message === 'unreachable';
      enter(unreachable ? { kind: 'refused', refusal: { kind: 'unreachable' } } : { kind: 'cannot-shrink' });
      return;
    }
    if (remembered) {
      await sendPicture(chosen, picture);
    } else {
      enter({ kind: 'asking', photo: chosen, picture });
      consent.focus();
    }
  };

  prepare.addEventListener('click', () => void preparePicture());
  cancel.addEventListener('click', () => {
    enter({ kind: 'choosing' });
    prepare.focus();
  });
  send.addEventListener('click', () => {
    if (stage.kind !== 'asking') return;
    remembered = remember.control.checked;
    const { photo: chosen, picture } = stage;
    void sendPicture(chosen, picture);
    title.focus(); // the button is gone
  });
  // Another choice is another question.
  for (const control of [photo.control, original.control]) {
    control.addEventListener('change', () => enter({ kind: 'choosing' }));
  }

  const speak = (next: Language) => {
    language = next;
    const texts = COMPARE_TEXTS[next];
    title.textContent = texts.title;
    lead.textContent = texts.lead(server.host);
    none.textContent = texts.none;
    photo.words.textContent = texts.photo;
    original.words.textContent = texts.original;
    prepare.textContent = texts.prepare;
    keeps.textContent = texts.keeps;
    remember.words.textContent = texts.remember;
    send.textContent = texts.send;
    cancel.textContent = texts.cancel;
    render();
  };
  speak(language);

  return {
    speak,
    answered(added) {
      photos = [added, ...photos].slice(0, OFFERED);
      const option = make('option', '', added.file.name);
      option.value = added.id;
      photo.control.prepend(option);
      while (photo.control.length > OFFERED) photo.control.remove(OFFERED);
      if (stage.kind === 'choosing') photo.control.value = added.id;
      none.hidden = true;
      form.hidden = false;
    },
    cleared() {
      photos = [];
      photo.control.replaceChildren();
      enter({ kind: 'choosing' });
    },
  };
}

function isOriginal(file: File, picture: Blob): boolean {
  return picture.size >= file.size;
}

function sizeText(bytes: number, language: Language): string {
  if (bytes >= 1e6) return megabytesText(bytes, language);
  return `${new Intl.NumberFormat(language).format(Math.max(Math.round(bytes / 1e3), 1))} kB`;
}

function whole(value: number, language: Language): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: 0 }).format(value);
}

function rowOf(kind: 'td' | 'th', cells: readonly string[]): HTMLTableRowElement {
  const row = make('tr');
  row.append(...cells.map((text) => make(kind, '', text)));
  return row;
}

function headOf(text: string): HTMLTableCellElement {
  const cell = make('th', '', text);
  cell.scope = 'row';
  return cell;
}

function button(testid: string, className = 'button'): HTMLButtonElement {
  const made = make('button', className);
  made.type = 'button';
  made.dataset.testid = testid;
  return made;
}

function labelled<Tag extends 'select' | 'input'>(tag: Tag) {
  const control = make(tag);
  const words = make('span');
  const label = make('label', `compare-${tag}`);
  if (tag === 'select') label.append(words, control);
  else label.append(control, words);
  return { control, words, label };
}

function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className = '',
  text = '',
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
