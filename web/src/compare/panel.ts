/**
 * "Compare with the server": one photo, sent after a clear consent, and both answers side by side. The control is there
 * only on a page that a Twinlens server gave out.
 */
import './compare.css';
import { button, element } from '../dom.ts';
import type { Context, Panel } from '../panels.ts';
import { type Refusal, RefusalError } from '../requests/request.ts';
import { type Language, sizeText } from '../text.ts';
import { compareAnswers, type Difference } from './difference.ts';
import { type OwnAnswer, resultOf } from './result.ts';
import { ask, type ServerAnswer } from './server.ts';
import { Shrinker } from './shrink.ts';
import { COMPARE_TEXTS } from './text.ts';

const SHOWN = 3;
/** The photos that can be chosen: the latest ones. */
const OFFERED = 100;

interface Photo {
  readonly id: string;
  readonly file: File;
  readonly answer: OwnAnswer;
}

type Stage =
  | { readonly kind: 'choosing' | 'preparing' | 'sending' | 'cannot-shrink' }
  | { readonly kind: 'asking'; readonly photo: Photo; readonly picture: Blob }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'shown'; readonly photo: Photo; readonly answer: ServerAnswer; readonly difference: Difference };

/** Mount the panel in a section, once the page is loaded; null where there is no server to ask. */
export function mountCompare(section: HTMLElement, { ready, server: address, ...context }: Context): Panel | null {
  if (!address) return null;
  const contract = new URL(`model/${ready.model.version}/contract.json`, document.baseURI);
  const shrinker = new Shrinker(contract.href);
  const { host, href } = address;
  let { language } = context;
  let photos: Photo[] = [];
  let stage: Stage = { kind: 'choosing' };
  let remembered = false;
  /** Counts questions: what an earlier one comes to no longer matters. */
  let question = 0;

  const title = element('summary');
  const lead = element('p');
  const none = element('p', 'compare-note');
  const choice = labelled(marked(element('select'), 'photo'));
  const original = labelled(marked(checkbox(), 'original'));
  const prepare = marked(
    button('button', '', () => void preparePicture()),
    'prepare',
  );
  const form = element('div', 'compare-form');
  form.append(choice.label, original.label, prepare);

  const consent = marked(element('div', 'compare-consent'), 'consent');
  consent.tabIndex = -1;
  const what = element('p');
  const keeps = element('p', 'compare-note');
  const remember = labelled(checkbox());
  const send = marked(
    button('button primary', '', () => agree()),
    'send',
  );
  const cancel = marked(
    button('button', '', () => decline()),
    'cancel',
  );
  const actions = element('div', 'compare-actions');
  actions.append(send, cancel);
  consent.append(what, keeps, remember.label, actions);

  const status = marked(element('p', 'compare-status'), 'status');
  status.setAttribute('role', 'status');
  const result = marked(element('div', 'compare-result'), 'result');
  const details = element('details', 'compare');
  details.append(title, lead, none, form, consent, status, result);
  section.id = 'compare';
  section.append(details);

  function speak(next: Language): void {
    language = next;
    const texts = COMPARE_TEXTS[next];
    title.textContent = texts.title;
    lead.textContent = texts.lead(host);
    none.textContent = texts.none;
    choice.words.textContent = texts.photo;
    original.words.textContent = texts.original;
    prepare.textContent = texts.prepare;
    keeps.textContent = texts.keeps;
    remember.words.textContent = texts.remember;
    send.textContent = texts.send;
    cancel.textContent = texts.cancel;
    render();
  }

  function render(): void {
    none.hidden = photos.length > 0;
    form.hidden = photos.length === 0;
    prepare.disabled = stage.kind === 'preparing' || stage.kind === 'sending';
    consent.hidden = stage.kind !== 'asking';
    result.hidden = stage.kind !== 'shown';
    details.dataset.stage = stage.kind;
    status.textContent = statusText();
    if (stage.kind === 'asking') what.textContent = consentText(stage.photo.file, stage.picture);
    if (stage.kind === 'shown') {
      const { photo, answer, difference } = stage;
      result.replaceChildren(...resultOf(ready, photo.answer, answer, difference, language));
    }
  }

  function statusText(): string {
    const texts = COMPARE_TEXTS[language];
    if (stage.kind === 'preparing') return texts.preparing;
    if (stage.kind === 'sending') return texts.sending;
    if (stage.kind === 'cannot-shrink') return texts.cannotShrink;
    if (stage.kind === 'refused') return texts.refused(stage.refusal);
    if (stage.kind === 'shown') return stage.difference.agreed ? texts.agreed : texts.disagreed;
    return '';
  }

  function consentText(file: File, picture: Blob): string {
    const texts = COMPARE_TEXTS[language];
    // Where the photo is smaller than what it would be shrunk to, the picture is the file itself.
    const words = picture.size >= file.size ? texts.consentOriginal : texts.consentShrunk;
    return words(file.name, sizeText(picture.size, language), href);
  }

  function enter(next: Stage): void {
    stage = next;
    render();
  }

  function startOver(): void {
    question++;
    enter({ kind: 'choosing' });
  }

  async function preparePicture(): Promise<void> {
    const photo = photos.find(({ id }) => id === choice.control.value);
    if (!photo) return;
    const mine = ++question;
    enter({ kind: 'preparing' });
    title.focus(); // a button that is disabled cannot keep it
    let picture: Blob = photo.file;
    try {
      if (!original.control.checked) picture = await shrinker.shrink(photo.file);
    } catch (error) {
      if (mine !== question) return;
      const unreachable = error instanceof Error && error.message === 'unreachable';
      enter(unreachable ? { kind: 'refused', refusal: { kind: 'unreachable' } } : { kind: 'cannot-shrink' });
      return;
    }
    if (mine !== question) return;
    if (remembered) {
      await sendPicture(photo, picture);
    } else {
      enter({ kind: 'asking', photo, picture });
      consent.focus();
    }
  }

  async function sendPicture(photo: Photo, picture: Blob): Promise<void> {
    const mine = question;
    enter({ kind: 'sending' });
    try {
      const answer = await ask(new URL(href), picture, ready.labels.length);
      if (mine !== question) return;
      const names = ready.labels.map(({ name }) => name);
      const difference = compareAnswers(names, photo.answer.scores, answer.scores, SHOWN);
      enter({ kind: 'shown', photo, answer, difference });
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      if (mine !== question) return;
      enter({ kind: 'refused', refusal: error.refusal });
    }
  }

  function agree(): void {
    if (stage.kind !== 'asking') return;
    remembered = remember.control.checked;
    void sendPicture(stage.photo, stage.picture);
    title.focus(); // the button is gone
  }

  function decline(): void {
    startOver();
    prepare.focus();
  }

  // Another choice is another question.
  for (const control of [choice.control, original.control]) {
    control.addEventListener('change', startOver);
  }
  speak(language);

  return {
    speak,
    answered({ id, file, answer: { scores, milliseconds } }) {
      photos = [{ id, file, answer: { scores, milliseconds } }, ...photos].slice(0, OFFERED);
      const option = element('option', '', file.name);
      option.value = id;
      option.id = `compare-${id}`;
      choice.control.prepend(option);
      choice.control.length = photos.length;
      // What the visitor sees chosen stays chosen.
      if (stage.kind === 'choosing' && !details.open) choice.control.value = id;
      none.hidden = true;
      form.hidden = false;
      return null;
    },
    forget(id) {
      photos = photos.filter((photo) => photo.id !== id);
      choice.control.namedItem(`compare-${id}`)?.remove();
      startOver();
    },
  };
}

function checkbox(): HTMLInputElement {
  const made = element('input');
  made.type = 'checkbox';
  return made;
}

/** The same element, with a name that tests hold on to. */
function marked<Kind extends HTMLElement>(made: Kind, name: string): Kind {
  made.dataset.testid = `compare-${name}`;
  return made;
}

function labelled<Kind extends HTMLSelectElement | HTMLInputElement>(control: Kind) {
  const words = element('span');
  const label = element('label', `compare-${control.localName}`);
  if (control.localName === 'select') label.append(words, control);
  else label.append(control, words);
  return { control, words, label };
}
