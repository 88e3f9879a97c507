/**
 * `twinlens review`: one doubtful photo at a time, decided on with one key. Decisions are sent one after the other; the
 * page goes on to the next photo as soon as the server has written the last one down.
 */
import './review.css';
import { byId, element } from '../src/dom.ts';
import { recall, remember } from '../src/remember.ts';
import {
  addressOf,
  type Decided,
  type Decision,
  isNewcomer,
  type Photo,
  RefusedError,
  type Review,
  Server,
} from './api.ts';
import { type Filter, FILTERS, Pile, suggestionFor } from './pile.ts';
import { type Language, TEXTS } from './text.ts';

/** Photos that are fetched before they are looked at. */
const AHEAD = 3;

const server = new Server(document.querySelector<HTMLMetaElement>('meta[name=twinlens-token]')?.content ?? '');
const photo = byId('photo', HTMLImageElement);
const choice = byId('choice', HTMLInputElement);
const filter = byId('filter', HTMLSelectElement);
const suggested = byId('suggested', HTMLButtonElement);
const undo = byId('undo', HTMLButtonElement);
const problem = byId('problem', HTMLElement);

let language = languageOf(new URLSearchParams(location.search).get('lang') ?? recall('language') ?? navigator.language);
let review: Review | null = null;
let pile = new Pile([]);
/** How many decisions stand, here and from earlier. */
let standing = 0;
/** Whether a decision is on its way: keys that are pressed meanwhile do nothing, so that none hits the next photo. */
let sending = false;
/** What is fetched ahead, by address, held so that the browser keeps it. */
const ahead = new Map<string, HTMLImageElement>();

function languageOf(wanted: string): Language {
  return wanted.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

async function load(): Promise<void> {
  try {
    review = await server.photos();
  } catch (error) {
    tell(error);
    return;
  }
  pile = new Pile(review.photos);
  standing = review.undoable;
  byId('labels', HTMLDataListElement).replaceChildren(
    ...review.labels.map((label) => Object.assign(element('option'), { value: label })),
  );
  problem.hidden = true;
  render();
}

async function decide(action: Decision['action'], label = ''): Promise<void> {
  const { current } = pile;
  if (!current || !photo.complete) return; // keys that are pressed before a photo is there decide nothing
  if (action === 'confirm' && photo.naturalWidth === 0) {
    tell(TEXTS[language].unreadable);
    return;
  }
  const { path, label: seen } = current;
  if (action === 'confirm' && seen === '') {
    tell(TEXTS[language].noLabel);
    return;
  }
  await send(() => server.decide(action === 'relabel' ? { action, path, seen, label } : { action, path, seen }));
}

/** Send one decision, and show what came of it. */
async function send(ask: () => Promise<Decided>): Promise<void> {
  if (sending) return;
  sending = true;
  try {
    const decided = await ask();
    standing += decided.action === 'undo' ? -1 : 1;
    if (decided.label !== null && !pile.knows(decided.path)) {
      review = await server.photos();
      pile.reload(review.photos);
    }
    pile.decided(decided);
    problem.hidden = true;
    choice.value = '';
    announce(TEXTS[language].said[decided.action](nameOf(decided.path), decided.label ?? ''));
  } catch (error) {
    tell(error);
  } finally {
    sending = false;
  }
  render();
}

function tell(error: unknown): void {
  const told = error instanceof RefusedError ? error.message || TEXTS[language].unreachable : String(error);
  problem.textContent = told;
  problem.hidden = false;
}

function announce(words: string): void {
  byId('announcer', HTMLElement).textContent = words;
}

function render(): void {
  const texts = TEXTS[language];
  const { current } = pile;
  byId('data', HTMLElement).textContent = review ? `${review.data} · ${review.who}` : 'Twinlens';
  byId('desk', HTMLElement).hidden = current === null;
  const done = byId('done', HTMLElement);
  done.hidden = current !== null || review === null;
  done.textContent = pile.length === 0 ? texts.nothing : texts.done;
  const progress = byId('progress', HTMLProgressElement);
  [progress.value, progress.max] = [pile.position, Math.max(pile.length, 1)];
  byId('status', HTMLElement).textContent = current === null ? '' : texts.status(pile.position + 1, pile.length);
  undo.disabled = standing === 0;
  for (const option of filter.options) {
    const name = option.value as Filter;
    option.textContent = `${texts.filters[name]} (${pile.count(name)})`;
  }
  filter.value = pile.filter;
  if (current) show(current);
}

function show(shown: Photo): void {
  const texts = TEXTS[language];
  const address = addressOf(shown);
  if (photo.getAttribute('src') !== address) photo.src = address;
  photo.alt = nameOf(shown.path);
  byId('path', HTMLElement).textContent = photo.alt;
  byId('label', HTMLElement).textContent = shown.label === '' ? texts.noneOf : shown.label;
  byId('confirm', HTMLElement).hidden = shown.label === '';
  const reviewed = shown.reviewed === null ? '' : ` · ${texts.reviewed(shown.reviewed)}`;
  byId('split', HTMLElement).textContent =
    `${texts.splits[isNewcomer(shown.path) ? 'new' : (shown.split ?? 'none')]}${reviewed}`;
  byId('reasons', HTMLElement).replaceChildren(
    ...shown.reasons.map(({ kind, doubt, suggested: other }) =>
      element('li', kind, texts.reasons[kind](`${Math.round(100 * doubt)}%`, other)),
    ),
    ...wordsOn(shown).map((words) => element('li', 'said', words)),
  );
  const other = suggestionFor(shown);
  suggested.hidden = other === null;
  const [words] = suggested.children;
  words.textContent = other === null ? '' : texts.suggested(other);
  fetchAhead(pile.ahead(AHEAD).map(addressOf));
}

function nameOf(path: string): string {
  return isNewcomer(path) ? TEXTS[language].newcomer : path;
}

/** What visitors and the model say of a photo: as text, whatever a label is made of. */
function wordsOn({ feedback }: Photo): string[] {
  if (!feedback) return [];
  const texts = TEXTS[language];
  return [
    ...feedback.said.map(({ label, clients }) => texts.visitors(clients, label)),
    texts.model(feedback.predicted, `${Math.round(100 * feedback.score)}%`),
  ];
}

function fetchAhead(addresses: readonly string[]): void {
  for (const known of [...ahead.keys()]) if (!addresses.includes(known)) ahead.delete(known);
  for (const src of addresses) if (!ahead.has(src)) ahead.set(src, Object.assign(new Image(), { src }));
}

function speak(next: Language): void {
  language = next;
  document.documentElement.lang = language === 'zh' ? 'zh-Hans' : 'en';
  const words = TEXTS[language].static;
  for (const each of document.querySelectorAll<HTMLElement>('[data-text]')) {
    each.textContent = words[each.dataset.text ?? ''];
  }
  for (const each of document.querySelectorAll<HTMLElement>('[data-text-label]')) {
    each.setAttribute('aria-label', words[each.dataset.textLabel ?? '']);
  }
  for (const each of document.querySelectorAll<HTMLElement>('[data-language]')) {
    each.setAttribute('aria-pressed', String(each.dataset.language === language));
  }
  document.title = `Twinlens · ${words.title}`;
  render();
}

function suggest(): void {
  const label = pile.current && suggestionFor(pile.current);
  if (label) void decide('relabel', label);
}

function move(steps: number): void {
  pile.move(steps);
  render();
}

const KEYS: Readonly<Record<string, () => void>> = {
  Enter: () => void decide('confirm'),
  s: suggest,
  x: () => void decide('set-aside'),
  z: () => void send(() => server.undo()),
  l: () => choice.focus(),
  ArrowLeft: () => move(-1),
  ArrowRight: () => move(1),
};

document.addEventListener('keydown', (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (target === choice) {
    if (key === 'Escape') choice.blur();
    return;
  }
  // A button that has the focus does its own on Enter, and a list moves by arrows.
  if (target instanceof HTMLSelectElement || (target instanceof HTMLButtonElement && key === 'Enter')) return;
  const act = KEYS[key.length === 1 ? key.toLowerCase() : key] as (() => void) | undefined;
  if (!act) return;
  event.preventDefault();
  act();
});

byId('confirm', HTMLElement).addEventListener('click', KEYS.Enter);
suggested.addEventListener('click', suggest);
byId('aside', HTMLElement).addEventListener('click', KEYS.x);
undo.addEventListener('click', KEYS.z);
byId('back', HTMLElement).addEventListener('click', () => move(-1));
byId('next', HTMLElement).addEventListener('click', () => move(1));
byId('other', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  const label = choice.value.trim();
  if (label === '') {
    tell(TEXTS[language].noLabel);
    return;
  }
  choice.blur();
  void decide('relabel', label);
});
photo.addEventListener('error', () => {
  photo.alt = TEXTS[language].unreadable;
});
filter.addEventListener('change', () => {
  pile.show(filter.value as Filter);
  filter.blur();
  render();
});
for (const each of document.querySelectorAll<HTMLButtonElement>('[data-language]')) {
  each.addEventListener('click', () => {
    const next = languageOf(each.dataset.language ?? '');
    remember('language', next);
    speak(next);
  });
}

filter.replaceChildren(...FILTERS.map((name) => Object.assign(element('option'), { value: name })));
speak(language);
void load();
