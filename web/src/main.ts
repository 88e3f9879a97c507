/**
 * The page: photos in, answers out. All work on photos is the worker's.
 */
import './style.css';
import { Album, type Photo } from './album.ts';
import { tally } from './arrange.ts';
import { Bridge } from './bridge.ts';
import { Camera, cameraProblem, type CameraProblem } from './camera.ts';
import type { View } from './card.ts';
import { askedBackend } from './choice.ts';
import { findServer } from './compare/server.ts';
import { byId } from './dom.ts';
import { failureOf } from './failure.ts';
import { Gallery } from './gallery.ts';
import { listen } from './intake.ts';
import { Offline } from './offline/offline.ts';
import { mountPanels, type Panel } from './panels.ts';
import { confinedWorker } from './privacy/confined.ts';
import { Requests } from './privacy/requests.ts';
import type { Answer, BackendName, BackendStanding } from './protocol.ts';
import { Queue } from './queue.ts';
import { recall, remember } from './remember.ts';
import { toCsv, toJson, toText } from './report.ts';
import { offerSamples } from './samples.ts';
import { canCopy, copyText, saveFile, shareText } from './save.ts';
import { Settings } from './settings.ts';
import { findGallery } from './similar/fetch.ts';
import { chooseLanguage, failureText, type Language, megabytesText, type Texts, TEXTS } from './text.ts';
import { ALL_AT_MOST, Tools } from './tools.ts';
import type { Found } from './walk.ts';
import workerUrl from './worker.ts?worker&url';

/** Photos in the worker at a time: one is decoded by the browser's own threads while another is classified. */
const IN_PROGRESS = 2;
/** Labels shown per photo until the visitor wants another number of them. */
const SHOWN = 5;
/** While photos are answered, the numbers beside the filter are written anew this often. */
const COUNT_EVERY_MS = 400;

type Status =
  | { readonly state: 'loading'; readonly loaded: number; readonly total: number }
  | { readonly state: 'ready' | 'busy' }
  | { readonly state: 'failed'; readonly error: unknown };

const status = byId('status', HTMLElement);
const announcer = byId('announcer', HTMLElement);
const progress = byId('progress', HTMLProgressElement);
const notice = byId('notice', HTMLElement);
const note = byId('note', HTMLElement);
const stop = byId('stop', HTMLButtonElement);
const goOn = byId('go-on', HTMLButtonElement);
const clear = byId('clear', HTMLButtonElement);

const remembered = recall('language');
let view: View = {
  language: chooseLanguage(location.search, [...(remembered === null ? [] : [remembered]), ...navigator.languages]),
  ready: null,
  shown: Number(recall('shown') ?? SHOWN) || SHOWN,
  map: false,
};
let current: Status = { state: 'loading', loaded: 0, total: 0 };
let cameraFailed: CameraProblem | null = null;
/** Whether nothing is left to be fetched; photos are answered before. */
let complete = false;
let panels: readonly Panel[] = [];
/** What the note below the status says, in any language. */
let noted: (texts: Texts) => string = () => '';
let announced = '';
/** Whether a folder is being looked through. */
let gathering = false;

const requests = new Requests();
requests.watch();
const offline = new Offline();
const bridge = new Bridge(
  confinedWorker(workerUrl, 'twinlens'),
  new URL('model/', document.baseURI).href,
  (loaded, total) => show({ state: 'loading', loaded, total }),
  askedBackend(location.search),
  findGallery(),
);
bridge.onRequests = (asked) => requests.add('worker', asked);
const album = new Album();
const gallery = new Gallery(byId('results', HTMLElement), album, view, canCopy() ? (photo) => copy([photo]) : null);

const queue = new Queue<Photo>(async (photo, signal) => {
  try {
    album.settle(photo, { kind: 'reading' });
    gallery.update(photo);
    const answer = await bridge.classify(photo.file, signal);
    document.body.dataset.tensors = String(answer.tensors);
    album.answer(photo, answer);
    gallery.update(photo);
    tellPanels(photo, answer);
  } catch (error) {
    if (signal.aborted) return;
    album.settle(photo, { kind: 'failure', failure: failureOf(error) });
    gallery.update(photo);
  }
  if (complete) show({ state: album.pending > 0 ? 'busy' : 'ready' });
  else render();
}, IN_PROGRESS);

/** Panels get to know each photo with its answer, and may have something to say on its card. */
function tellPanels(photo: Photo, answer: Answer): void {
  for (const panel of panels) {
    const badge = panel.answered?.({ id: photo.id, file: photo.file, answer });
    if (badge) gallery.attach(photo, badge);
  }
}

function add(found: readonly Found[]): void {
  if (found.length === 0) return;
  const photos = album.add(found);
  queue.add(photos); // first, so that the worker begins while the page is written
  const leaving = byId('samples', HTMLElement).contains(document.activeElement);
  document.body.classList.add('has-results');
  if (leaving) byId('file', HTMLInputElement).focus(); // the drawings are out of sight now
  write(() => '');
  if (complete) show({ state: 'busy' });
  else render();
  void gallery.add(photos);
}

function stopAll(): void {
  intake.stop();
  gathering = false;
  write(() => '');
  queue.clear();
  for (const photo of album.stop()) gallery.update(photo);
}

function show(next: Status): void {
  const ended = current.state === 'busy' && next.state !== 'busy';
  current = next;
  render();
  if (ended) gallery.arrange();
}

/** Write all that changes while photos are answered. */
function render(): void {
  const texts = TEXTS[view.language];
  const { state } = current;
  document.body.dataset.state = state;
  // While the rest of the page loads photos are answered too, and can be stopped.
  const stoppable = state === 'busy' || gathering || (state === 'loading' && album.pending > 0);
  const leaving = !stoppable && document.activeElement === stop;
  stop.hidden = !stoppable;
  goOn.hidden = stoppable || album.stopped === 0;
  goOn.textContent = texts.goOn;
  clear.hidden = album.total === 0;
  if (leaving) (goOn.hidden ? clear : goOn).focus(); // the button that had the focus is gone
  progress.hidden = state !== 'loading' && state !== 'busy';
  [progress.value, progress.max] =
    current.state === 'loading' ? [current.loaded, Math.max(current.total, 1)] : [album.done, Math.max(album.total, 1)];
  status.textContent = statusText(texts);
  // A screen reader must not read out every byte or every photo.
  if (state === 'loading') announceStatus(texts.starting);
  else if (state !== 'busy') announceStatus(status.textContent);
  renderNotice();
  if (state === 'ready' || state === 'failed') renderTools();
  else renderToolsSoon();
}

function statusText(texts: Texts): string {
  if (current.state === 'loading') {
    const { loaded, total } = current;
    const [some, all] = [loaded, total].map((bytes) => megabytesText(bytes, view.language));
    return total === 0 ? texts.starting : texts.loading(some, all);
  }
  if (current.state === 'failed') return texts.cannotStart;
  if (current.state === 'busy') return texts.working(album.done, album.total);
  if (album.stopped > 0) return texts.stoppedAt(album.done, album.total);
  return album.total > 0 ? texts.finished(album.done, album.failed) : texts.ready;
}

function renderNotice(): void {
  const texts = TEXTS[view.language];
  const notices: string[] = [];
  if (current.state === 'failed') notices.push(failureText(failureOf(current.error), view.language));
  if (view.ready?.canvas === 'near') notices.push(texts.perturbedSlightly);
  if (view.ready?.canvas === 'perturbed') notices.push(failureText({ code: 'perturbed_pixels' }, view.language));
  if (cameraFailed) notices.push(texts[cameraFailed]);
  const words = notices.join(' ');
  if (notice.textContent !== words) notice.textContent = words; // written anew it would be read out anew
  notice.hidden = words === '';
}

let toolsTimer: ReturnType<typeof setTimeout> | undefined;

function renderToolsSoon(): void {
  toolsTimer ??= setTimeout(renderTools, COUNT_EVERY_MS);
}

function renderTools(): void {
  clearTimeout(toolsTimer);
  toolsTimer = undefined;
  byId('tools', HTMLElement).hidden = album.total === 0 || !view.ready;
  tools.render(view, tally(album.photos, view.ready?.notSure ?? null), album.total);
}

/** Tell those who cannot see it of another state of the page, once. */
function announceStatus(words: string): void {
  if (words === announced) return;
  announced = words;
  announcer.textContent = words;
}

/** Write a note below the status. */
function write(words: (texts: Texts) => string): void {
  noted = words;
  note.textContent = words(TEXTS[view.language]);
  note.hidden = note.textContent === '';
}

/** Write a note, and read it out. */
function say(words: (texts: Texts) => string): void {
  write(words);
  if (!note.hidden) announcer.textContent = note.textContent;
}

function look(next: Partial<View>): void {
  view = { ...view, ...next };
  void gallery.show(view);
  render();
}

function speak(language: Language): void {
  document.documentElement.lang = language === 'zh' ? 'zh-Hans' : 'en';
  const words: Readonly<Record<string, string>> = TEXTS[language].static;
  for (const element of document.querySelectorAll<HTMLElement>('[data-text]')) {
    element.textContent = words[element.dataset.text ?? ''];
  }
  for (const element of document.querySelectorAll<HTMLElement>('[data-text-label]')) {
    element.setAttribute('aria-label', words[element.dataset.textLabel ?? '']);
  }
  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-language]')) {
    button.setAttribute('aria-pressed', String(button.dataset.language === language));
  }
  document.title = `Twinlens · ${words.title}`;
  look({ language });
  gallery.arrange(); // names sort differently
  write(noted);
  camera.speak(language);
  samples.speak(language);
  settings.speak(language);
  for (const panel of panels) panel.speak(language);
}

/** Copy the answers, and say whether it was done: a frame without permission, say, may not. */
async function copy(photos: readonly Photo[]): Promise<boolean> {
  if (!view.ready) return false;
  try {
    await copyText(toText(photos, view.ready, view.language));
  } catch {
    say((texts) => texts.notCopied);
    return false;
  }
  announcer.textContent = TEXTS[view.language].copied;
  return true;
}

function save(kind: 'csv' | 'json'): void {
  if (!view.ready) return;
  const name = `${view.ready.model.name}-${new Date().toISOString().slice(0, 10)}.${kind}`;
  if (kind === 'csv') saveFile(name, 'text/csv', toCsv(gallery.shown(), view.ready));
  else saveFile(name, 'application/json', toJson(gallery.shown(), view.ready));
}

const tools = new Tools({
  onFilter(filter) {
    gallery.filterBy(filter);
    announcer.textContent = TEXTS[view.language].filters.passing(gallery.shown().length, album.total);
  },
  onOrder: (order) => gallery.sortBy(order),
  onShown(shown) {
    remember('shown', String(shown));
    look({ shown });
  },
  onMap: (map) => look({ map }),
  async onCopy() {
    if (await copy(gallery.shown())) await tools.showCopied(view.language);
  },
  async onShare() {
    if (!view.ready) return;
    try {
      await shareText(document.title, toText(gallery.shown(), view.ready, view.language));
    } catch {
      say((texts) => texts.notShared);
    }
  },
  onSave: save,
});

const intake = listen({
  onPhotos: add,
  onGathering(count) {
    gathering = true;
    stop.hidden = false;
    write((texts) => texts.gathering(count)); // not read out: it changes with every file
  },
  onFolder({ found, leftOut }) {
    gathering = false;
    add(found);
    render();
    say((texts) => (found.length === 0 ? texts.emptyFolder : leftOut > 0 ? texts.leftOut(leftOut) : ''));
  },
  pastedName: () => `${TEXTS[view.language].pasted} ${new Date().toLocaleTimeString([], { hour12: false })}.png`,
});

const camera = new Camera({
  ready: () => view.ready,
  classify: (picture, signal) => bridge.glance(picture, signal),
  onPhoto: (file) => add([{ file, name: file.name }]),
});

byId('open-camera', HTMLElement).addEventListener('click', () => {
  camera
    .open()
    .then(
      () => (cameraFailed = null),
      (error: unknown) => (cameraFailed = cameraProblem(error)),
    )
    .finally(render);
});

const samples = offerSamples((file) => add([{ file, name: file.name }]));
const settings = new Settings(async (backend) => {
  await bridge.use(backend);
});

function showBackends(backend: BackendName, backends: readonly BackendStanding[]): void {
  byId('backend', HTMLElement).textContent = backend;
  settings.render(backends);
}

stop.addEventListener('click', () => {
  stopAll();
  if (current.state === 'busy') show({ state: 'ready' });
  else render();
});

goOn.addEventListener('click', () => {
  const rest = album.goOn();
  for (const photo of rest) gallery.update(photo);
  if (complete) show({ state: 'busy' });
  queue.add(rest);
  render();
  stop.focus(); // the button that was clicked is gone
});

clear.addEventListener('click', () => {
  stopAll();
  for (const { id } of album.photos) for (const panel of panels) panel.forget?.(id);
  album.clear();
  gallery.clear();
  document.body.classList.remove('has-results');
  write(() => '');
  if (current.state === 'busy') current = { state: 'ready' };
  render();
  byId('file', HTMLInputElement).focus();
});

for (const button of document.querySelectorAll<HTMLButtonElement>('[data-language]')) {
  button.addEventListener('click', () => {
    const language = button.dataset.language as Language;
    speak(language);
    remember('language', language);
    const address = new URL(location.href);
    address.searchParams.set('lang', language);
    history.replaceState(null, '', address);
  });
}

speak(view.language);

try {
  const ready = await bridge.answering;
  const { model } = ready;
  byId('model', HTMLElement).textContent = `${model.name} ${model.version}`;
  showBackends(ready.backend, ready.backends);
  bridge.onBackends = showBackends;
  samples.render(ready.labels);
  look({ ready, shown: ready.labels.length > ALL_AT_MOST && view.shown === Infinity ? SHOWN : view.shown });
  const last = await bridge.ready;
  showBackends(last.backend, last.backends);
  await offline.started;
  complete = true;
  const server = findServer();
  const context = { bridge, offline, requests, server, ready: last, language: view.language };
  panels = mountPanels(byId('panels', HTMLElement), context);
  for (const photo of album.photos) if (photo.outcome.kind === 'answer') tellPanels(photo, photo.outcome.answer);
  show({ state: album.pending > 0 ? 'busy' : 'ready' });
} catch (error) {
  void offline.doubt();
  samples.render([]);
  show({ state: 'failed', error });
}
