/**
 * The page: photos in, cards out. All work on photos is the worker's.
 */
import './style.css';
import { Bridge } from './bridge.ts';
import { Camera } from './camera.ts';
import { Card } from './card.ts';
import { failureOf } from './failure.ts';
import type { Ready } from './protocol.ts';
import { Queue } from './queue.ts';
import type { Teaching } from './teach/index.ts';
import { chooseLanguage, failureText, type Language, megabytesText, TEXTS } from './text.ts';

/** Photos in the worker at a time: one is decoded by the browser's own threads while another is classified. */
const IN_PROGRESS = 2;

type Status =
  | { readonly state: 'loading'; readonly loaded: number; readonly total: number }
  | { readonly state: 'ready' | 'busy' }
  | { readonly state: 'failed'; readonly error: unknown };

function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no #${id} of the right kind`);
  return found;
}

const input = byId('file', HTMLInputElement);
const status = byId('status', HTMLElement);
const announcer = byId('announcer', HTMLElement);
const progress = byId('progress', HTMLProgressElement);
const notice = byId('notice', HTMLElement);
const results = byId('results', HTMLElement);
const clear = byId('clear', HTMLButtonElement);

let language: Language = chooseLanguage(location.search, navigator.languages);
let current: Status = { state: 'loading', loaded: 0, total: 0 };
let ready: Ready | null = null;
let cameraRefused = false;
let cards: Card[] = [];
let done = 0;
let failed = 0;

const bridge = new Bridge(
  new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'twinlens' }),
  new URL('model/', document.baseURI).href,
  (loaded, total) => show({ state: 'loading', loaded, total }),
);

/** The panel that learns labels of the visitor's own; its code comes while the model does. */
const teaching = Promise.all([bridge.ready, import('./teach/index.ts')]).then(([ready, { mountTeach }]) =>
  mountTeach(byId('teach', HTMLElement), { bridge, ready, language }),
);
let teach: Teaching | null = null;
/** What the panel knows the cards by. */
let ids: string[] = [];
let numbered = 0;

const queue = new Queue<Card>(async (card, signal) => {
  try {
    card.begin(language);
    const answer = await bridge.classify(card.file, signal);
    card.succeed(answer, (await bridge.ready).labels, language);
    const id = String(++numbered);
    ids.push(id);
    card.extend((await teaching).answered({ id, file: card.file, answer }));
  } catch (error) {
    if (signal.aborted) return;
    card.fail(failureOf(error), language);
    failed++;
  }
  done++;
  if (current.state !== 'failed') show({ state: done < cards.length ? 'busy' : 'ready' });
}, IN_PROGRESS);

function add(files: Iterable<File>): void {
  const added = Array.from(files, (file) => new Card(file, language));
  if (added.length === 0) return;
  cards.push(...added);
  results.append(...added.map((card) => card.element));
  document.body.classList.add('has-results');
  clear.hidden = false;
  if (ready) show({ state: 'busy' });
  queue.add(added);
}

function show(next: Status): void {
  current = next;
  render();
}

function render(): void {
  const texts = TEXTS[language];
  document.body.dataset.state = current.state;
  progress.hidden = current.state !== 'loading';
  if (current.state === 'loading') {
    const { loaded, total } = current;
    progress.max = Math.max(total, 1);
    progress.value = loaded;
    status.textContent =
      total === 0 ? texts.starting : texts.loading(megabytesText(loaded, language), megabytesText(total, language));
    announcer.textContent = texts.starting; // a screen reader must not read every byte out
    return;
  }
  if (current.state === 'failed') status.textContent = texts.cannotStart;
  else if (current.state === 'busy') status.textContent = texts.working(done, cards.length);
  else status.textContent = cards.length > 0 ? texts.finished(done, failed) : texts.ready;
  if (current.state !== 'busy') announcer.textContent = status.textContent;
  renderNotice();
}

function renderNotice(): void {
  const texts = TEXTS[language];
  const notices: string[] = [];
  if (current.state === 'failed') notices.push(failureText(failureOf(current.error), language));
  if (ready?.canvas === 'near') notices.push(texts.perturbedSlightly);
  if (ready?.canvas === 'perturbed') notices.push(failureText({ code: 'perturbed_pixels' }, language));
  if (cameraRefused) notices.push(texts.cameraRefused);
  notice.textContent = notices.join(' ');
  notice.hidden = notices.length === 0;
}

function speak(next: Language): void {
  language = next;
  document.documentElement.lang = next === 'zh' ? 'zh-Hans' : 'en';
  const words: Readonly<Record<string, string>> = TEXTS[next].static;
  for (const element of document.querySelectorAll<HTMLElement>('[data-text]')) {
    element.textContent = words[element.dataset.text ?? ''];
  }
  for (const element of document.querySelectorAll<HTMLElement>('[data-text-label]')) {
    element.setAttribute('aria-label', words[element.dataset.textLabel ?? '']);
  }
  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-language]')) {
    button.setAttribute('aria-pressed', String(button.dataset.language === next));
  }
  document.title = `Twinlens · ${words.title}`;
  for (const card of cards) card.render(next);
  teach?.speak(next);
  render();
}

input.addEventListener('change', () => {
  add(input.files ?? []);
  input.value = ''; // so that the same photo can be chosen again
});

clear.addEventListener('click', () => {
  queue.clear();
  cards = [];
  done = failed = 0;
  results.replaceChildren();
  for (const id of ids) teach?.forget(id);
  ids = [];
  document.body.classList.remove('has-results');
  clear.hidden = true;
  input.focus();
  render();
});

for (const button of document.querySelectorAll<HTMLButtonElement>('[data-language]')) {
  button.addEventListener('click', () => {
    speak(button.dataset.language as Language);
    const address = new URL(location.href);
    address.searchParams.set('lang', language);
    history.replaceState(null, '', address);
  });
}

// The whole page takes drops. A drag fires `dragleave` on every element that it crosses, hence the count.
let dragged = 0;
addEventListener('dragenter', (event) => {
  event.preventDefault();
  document.body.classList.toggle('dropping', ++dragged > 0);
});
addEventListener('dragleave', () => document.body.classList.toggle('dropping', --dragged > 0));
addEventListener('dragover', (event) => event.preventDefault());
addEventListener('drop', (event) => {
  const taken = event.defaultPrevented; // by the panel in which photos are taught
  event.preventDefault();
  dragged = 0;
  document.body.classList.remove('dropping');
  if (!taken) add(event.dataTransfer?.files ?? []);
});

const snapshot = byId('snapshot', HTMLInputElement);
const camera = new Camera(
  {
    dialog: byId('camera', HTMLDialogElement),
    video: byId('video', HTMLVideoElement),
    shoot: byId('shoot', HTMLButtonElement),
    cancel: byId('cancel', HTMLButtonElement),
    fallback: snapshot,
  },
  (file) => add([file]),
);
snapshot.addEventListener('change', () => {
  add(snapshot.files ?? []);
  snapshot.value = '';
});
byId('open-camera', HTMLElement).addEventListener('click', () => {
  camera
    .open()
    .then(
      () => (cameraRefused = false),
      () => (cameraRefused = true),
    )
    .finally(render);
});

speak(language);

try {
  [ready, teach] = await Promise.all([bridge.ready, teaching]);
  byId('backend', HTMLElement).textContent = ready.backend;
  byId('model', HTMLElement).textContent = `${ready.model.name} ${ready.model.version}`;
  show({ state: done < cards.length ? 'busy' : 'ready' });
} catch (error) {
  show({ state: 'failed', error });
}
