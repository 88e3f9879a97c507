/**
 * What stands below the photos: parts of the page that work on their own. Each is one entry in `PANELS`, mounts itself
 * into a section, and brings its own words and style.
 */
import type { Bridge } from './bridge.ts';
import { mountCompare } from './compare/panel.ts';
import { element } from './dom.ts';
import { mountFeedback } from './feedback/panel.ts';
import type { Offline } from './offline/offline.ts';
import { mountPrivacy } from './privacy/panel.ts';
import type { Requests } from './privacy/requests.ts';
import type { Answer, Ready } from './protocol.ts';
import { mountSimilar } from './similar/panel.ts';
import { mountTeach } from './teach/index.ts';
import type { Language } from './text.ts';

export interface Context {
  readonly bridge: Bridge;
  readonly offline: Offline;
  readonly requests: Requests;
  /** The address of the server that can be asked; null where the page lies on a host of files. */
  readonly server: URL | null;
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

type Mount = (section: HTMLElement, context: Context) => Panel | null;

const PANELS: readonly Mount[] = [mountTeach, mountSimilar, mountFeedback, mountCompare, mountPrivacy];

/** Mount the panels that there is a use for, in their order. */
export function mountPanels(place: HTMLElement, context: Context): Panel[] {
  return PANELS.flatMap((mount) => {
    const section = element('section', 'panel');
    const panel = mount(section, context);
    if (!panel) return [];
    place.append(section);
    return [panel];
  });
}
