/**
 * What stands below the photos: parts of the page that work on their own. Each is one entry in `PANELS`, mounts itself
 * into a section, and brings its own words and style.
 */
import type { Bridge } from './bridge.ts';
import { element } from './dom.ts';
import type { Answer, Ready } from './protocol.ts';
import type { Language } from './text.ts';

export interface Context {
  readonly bridge: Bridge;
  readonly ready: Ready;
  readonly language: Language;
}

/** A photo that has its answer. */
export interface AnsweredPhoto {
  readonly id: string;
  readonly file: File;
  readonly answer: Answer;
}

export interface Panel {
  /** Change the language. */
  speak(language: Language): void;
  /** A photo has its answer. What is returned is put on its card, and kept up to date by the panel. */
  answered?(photo: AnsweredPhoto): HTMLElement | null;
  /** A photo is no longer on the page. */
  forget?(id: string): void;
}

const PANELS: readonly ((section: HTMLElement, context: Context) => Panel)[] = [];

/** Mount all panels, in their order. */
export function mountPanels(place: HTMLElement, context: Context): Panel[] {
  return PANELS.map((mount) => {
    const section = element('section', 'panel');
    place.append(section);
    return mount(section, context);
  });
}
