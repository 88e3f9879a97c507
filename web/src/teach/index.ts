/**
 * Teach the page labels of one's own, on the device: mounted by the page, into a section of its own.
 */
import './teach.css';
import type { Ready } from '../protocol.ts';
import type { Language } from '../text.ts';
import { type AnsweredPhoto, Badge } from './badge.ts';
import { NAMES, Panel } from './panel.ts';
import { troubleText } from './sentences.ts';
import { openStore, passingStore } from './store.ts';
import { type Classifier, Teacher } from './teacher.ts';
import { makeThumbnail } from './thumbnail.ts';

export type { AnsweredPhoto };

/** What the page sees of the panel. */
export interface Teaching {
  /** Say everything in a language. */
  speak(language: Language): void;
  /** Take note of a photo that has its answer. Returns what its card says of the taught labels, kept up to date. */
  answered(photo: AnsweredPhoto): HTMLElement;
  /** Let go of a photo that is no longer on the page. */
  forget(id: string): void;
}

/** What the panel needs of the page. */
export interface Surroundings {
  readonly bridge: Classifier;
  readonly ready: Ready;
  readonly language: Language;
}

/** Put the panel into a section of the page. */
export function mountTeach(section: HTMLElement, { bridge, ready, language: first }: Surroundings): Teaching {
  let language = first;
  const badges = new Map<string, Badge>();
  // Tabs of the same browser share what is taught: what one deletes, no other shows any longer.
  const tabs = new BroadcastChannel('twinlens-taught');
  const { name, version } = ready.model;
  const model = { name, version, digest: ready.digest, embeddingSize: ready.embeddingSize };

  const store = openStore(ready.digest).catch(passingStore);
  const teacher = new Teacher(store, makeThumbnail, () => {
    tabs.postMessage('changed');
    renderSoon();
  });
  const panel = new Panel(teacher, bridge, model, language, renderSoon);
  const showBadge = (badge: Badge) =>
    badge.update(teacher, panel.element.open || teacher.examples.length > 0, language);
  const showBadges = () => {
    for (const badge of badges.values()) showBadge(badge);
  };

  let planned = false;
  function renderSoon(): void {
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => {
      planned = false;
      panel.render();
      if (!panel.busy) showBadges(); // once the photos are in: each of them changes every answer
    });
  }

  let stale = false;
  let reading = false;
  async function refresh(): Promise<void> {
    stale = true;
    if (reading) return; // and then once more, however often another tab has called meanwhile
    reading = true;
    try {
      while (stale) {
        stale = false;
        await teacher.refresh();
      }
    } catch (error) {
      panel.complain(error);
    } finally {
      reading = false;
    }
    renderSoon();
  }

  /** Change what is taught; returns what went wrong, in words, empty if nothing did. */
  async function changing(change: () => Promise<void>): Promise<string> {
    try {
      await change();
      panel.render();
      showBadges();
      return '';
    } catch (error) {
      return troubleText(error, language);
    }
  }

  const actions = {
    use: (label: string, photo: AnsweredPhoto) =>
      changing(() => teacher.teachAnswered(label, photo.file, photo.answer)),
    remove(photo: AnsweredPhoto): Promise<string> {
      const example = teacher.exampleOf(photo.answer);
      return changing(() => teacher.forget(example ? [example] : []));
    },
  };

  tabs.addEventListener('message', () => void refresh());
  panel.element.addEventListener('toggle', showBadges);
  section.replaceChildren(panel.element);
  void refresh();
  return {
    speak(next) {
      language = next;
      panel.speak(next);
      showBadges();
    },
    answered(photo) {
      const badge = new Badge(photo, NAMES, actions);
      badges.set(photo.id, badge);
      showBadge(badge);
      return badge.element;
    },
    forget(id) {
      badges.delete(id);
    },
  };
}
