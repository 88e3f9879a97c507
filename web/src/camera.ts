/**
 * The camera in a dialog: what it sees is classified as it comes, and "take it" keeps a picture. Where a page may not
 * open the camera itself (it is not `https:` or `localhost`), the device's own camera app takes a photo.
 */
import { isNotSure } from './album.ts';
import { bars } from './bars.ts';
import { byId, element } from './dom.ts';
import { failureOf } from './failure.ts';
import { Rate, Steady } from './live.ts';
import type { Ready, Reply } from './protocol.ts';
import { top } from './scores.ts';
import { failureText, labelText, type Language, numberText, TEXTS } from './text.ts';

/** Shorter edge of the pictures that are classified live, in pixels: more than networks look at costs time only. */
const LIVE_EDGE = 320;
/** Labels that are shown live. */
const SHOWN = 3;
/** An answer fades to half its weight in this time: bars can be read, and still follow a moving hand. */
const HALF_LIFE_MS = 150;
/** How often the rate is written anew, and how often at most a screen reader is told of another label. */
const RATE_EVERY_MS = 500;
const ANNOUNCE_EVERY_MS = 2000;

interface Options {
  readonly ready: () => Ready | null;
  readonly classify: (picture: Blob, signal: AbortSignal) => Promise<Reply>;
  readonly onPhoto: (file: File) => void;
}

export type CameraProblem = 'cameraRefused' | 'cameraMissing' | 'cameraBusy';

/** What kept the camera from opening, by the names that the specification of `getUserMedia` gives. */
export function cameraProblem(error: unknown): CameraProblem {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'cameraMissing';
  if (name === 'NotReadableError' || name === 'AbortError') return 'cameraBusy';
  return 'cameraRefused';
}

export class Camera {
  private readonly dialog = byId('camera', HTMLDialogElement);
  private readonly video = byId('video', HTMLVideoElement);
  private readonly pauseButton = byId('pause', HTMLButtonElement);
  private readonly status = byId('live-status', HTMLElement);
  private readonly live = byId('live', HTMLElement);
  private readonly announcer = byId('live-announcer', HTMLElement);
  /** Made with the first picture: a browser that has none must come as far as saying so. */
  private canvas: OffscreenCanvas | null = null;
  private readonly rate = new Rate();
  private readonly steady = new Steady(HALF_LIFE_MS);
  private readonly options: Options;
  private language: Language = 'en';
  private stream: MediaStream | null = null;
  private opening = false;
  private paused = false;
  /** Ends the live answers. */
  private watching: AbortController | null = null;
  private rateShownAt = -Infinity;
  private announcedAt = -Infinity;

  constructor(options: Options) {
    this.options = options;
    byId('cancel', HTMLButtonElement).addEventListener('click', () => this.dialog.close());
    byId('shoot', HTMLButtonElement).addEventListener('click', () => void this.shoot());
    this.pauseButton.addEventListener('click', () => this.togglePause());
    this.dialog.addEventListener('close', () => this.stop());
    const snapshot = this.snapshot;
    snapshot.addEventListener('change', () => {
      for (const file of snapshot.files ?? []) options.onPhoto(file);
      snapshot.value = '';
    });
  }

  /** Change the language. */
  speak(language: Language): void {
    this.language = language;
    this.renderPause();
  }

  /**
   * Open the camera, unless it is being opened: while the browser asks the visitor, a second click would ask for a
   * second stream, and only one of them would ever be stopped.
   *
   * @throws DOMException if there is none or the visitor does not allow it.
   */
  async open(): Promise<void> {
    const devices = navigator.mediaDevices as MediaDevices | undefined;
    if (!devices) {
      this.snapshot.click();
      return;
    }
    if (this.opening) return;
    this.opening = true;
    try {
      this.stream = await devices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1920 } } });
    } finally {
      this.opening = false;
    }
    for (const track of this.stream.getTracks()) track.addEventListener('ended', () => this.lost());
    this.video.srcObject = this.stream;
    this.paused = false;
    this.renderPause();
    this.status.textContent = TEXTS[this.language].starting;
    this.dialog.showModal();
    const going = () => this.dialog.open && !this.paused; // the visitor may be faster than the camera
    try {
      await this.video.play();
    } catch (error) {
      if (going()) throw error;
    }
    if (going()) this.watch();
  }

  private get snapshot(): HTMLInputElement {
    return byId('snapshot', HTMLInputElement);
  }

  /** Begin to answer. */
  private watch(): void {
    this.watching = new AbortController();
    this.rate.reset();
    this.steady.reset();
    void this.answer(this.watching.signal);
  }

  /** One picture after the other: the next is taken only when the one before it is answered. */
  private async answer(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await this.nextFrame(signal);
        const picture = await this.grab(LIVE_EDGE);
        this.show((await this.options.classify(picture, signal)).scores);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.status.textContent = '';
      const words = failureText(failureOf(error), this.language);
      this.live.replaceChildren(element('p', 'problem', words));
      this.announcer.textContent = words;
    }
  }

  private nextFrame(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(signal.reason as DOMException);
      signal.addEventListener('abort', abort, { once: true });
      const { video } = this;
      const come = () => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(come);
      else requestAnimationFrame(come); // Firefox before 132
    });
  }

  private show(answered: readonly number[]): void {
    const ready = this.options.ready();
    if (!ready) return;
    const now = performance.now();
    const { language } = this;
    const scores = this.steady.add(answered, now);
    const [best] = top(scores, 1);
    const list = bars(scores, ready.labels, SHOWN, language);
    const unsure = isNotSure(scores, best, ready.notSure);
    this.live.classList.toggle('not-sure', unsure);
    this.live.replaceChildren(...(unsure ? [element('p', 'doubt', TEXTS[language].notSure)] : []), list);

    this.rate.tick(now);
    const { perSecond } = this.rate;
    if (perSecond !== null && now - this.rateShownAt > RATE_EVERY_MS) {
      this.status.textContent = TEXTS[language].rate(numberText(perSecond, language));
      this.rateShownAt = now;
    }
    const label = labelText(ready.labels[best], language);
    const said = unsure ? TEXTS[language].perhaps(label) : label;
    if (said !== this.announcer.textContent && now - this.announcedAt > ANNOUNCE_EVERY_MS) {
      this.announcer.textContent = said;
      this.announcedAt = now;
    }
  }

  private togglePause(): void {
    this.paused = !this.paused;
    this.renderPause();
    if (this.paused) {
      this.watching?.abort();
      this.video.pause();
      this.status.textContent = TEXTS[this.language].paused;
    } else {
      void this.video.play();
      this.watch();
    }
  }

  private renderPause(): void {
    const { pause, resume } = TEXTS[this.language];
    this.pauseButton.textContent = this.paused ? resume : pause;
  }

  /** A picture of the video as it is, its shorter edge at most so many pixels long. */
  private async grab(edge: number): Promise<Blob> {
    const canvas = (this.canvas ??= new OffscreenCanvas(1, 1));
    const { video } = this;
    const scale = Math.min(edge / Math.min(video.videoWidth, video.videoHeight), 1);
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context?.drawImage(video, 0, 0, canvas.width, canvas.height);
    return canvas.convertToBlob({ type: 'image/png' });
  }

  private async shoot(): Promise<void> {
    const { dialog, video } = this;
    // Closed by the first of two clicks, or the camera has not given a picture yet.
    if (!dialog.open || video.videoWidth === 0) return;
    const picture = this.grab(Infinity);
    dialog.close();
    const time = new Date().toLocaleTimeString([], { hour12: false });
    this.options.onPhoto(new File([await picture], `${time}.png`, { type: 'image/png' }));
  }

  /** The camera was taken away. */
  private lost(): void {
    if (!this.dialog.open) return;
    this.watching?.abort();
    this.status.textContent = this.announcer.textContent = TEXTS[this.language].cameraMissing;
  }

  private stop(): void {
    this.watching?.abort();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
    this.live.replaceChildren();
    this.status.textContent = this.announcer.textContent = '';
  }
}
