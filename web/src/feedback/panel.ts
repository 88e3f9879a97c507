/**
 * "Is it right?": under each answer, where the page's server takes what visitors say. What that means stands in a section
 * of its own; nothing is sent before the visitor has agreed.
 */
import './feedback.css';
import { element } from '../dom.ts';
import type { Context, Panel } from '../panels.ts';
import type { Language } from '../text.ts';
import { findFeedback } from './send.ts';
import { FEEDBACK_TEXTS } from './text.ts';
import { type Shared, Voice } from './voice.ts';

/** Mount the panel in a section, once the page is loaded; null where nobody takes feedback. */
export function mountFeedback(section: HTMLElement, { ready, language }: Context): Panel | null {
  const address = findFeedback();
  if (!address) return null;
  const shared: Shared = { address, ready, language, remembered: false };
  const voices = new Map<string, Voice>();

  const title = element('summary');
  const lead = element('p');
  const details = element('details', 'feedback');
  details.append(title, lead);
  section.id = 'feedback';
  section.append(details);

  function speak(next: Language): void {
    shared.language = next;
    title.textContent = FEEDBACK_TEXTS[next].title;
    lead.textContent = FEEDBACK_TEXTS[next].lead(shared.address.host);
    for (const voice of voices.values()) voice.speak();
  }
  speak(language);

  return {
    speak,
    answered(photo) {
      const voice = new Voice(photo, shared);
      voices.set(photo.id, voice);
      return voice.element;
    },
    forget(id) {
      voices.delete(id);
    },
  };
}
