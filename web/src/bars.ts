/**
 * Scores as bars with text, the best first.
 */
import { element } from './dom.ts';
import type { Label } from './protocol.ts';
import { top } from './scores.ts';
import { labelText, type Language, percentText, TEXTS } from './text.ts';

/** Labels that can be chosen by a click, to see their map. */
export interface Choice {
  readonly chosen: number;
  readonly choose: (label: number) => void;
}

/**
 * Make the bars.
 *
 * @param shown how many labels are shown at most.
 * @param choice makes each label a button.
 */
export function bars(
  scores: readonly number[],
  labels: readonly Label[],
  shown: number,
  language: Language,
  choice: Choice | null = null,
): HTMLOListElement {
  const list = element('ol', 'bars');
  for (const index of top(scores, shown)) {
    const label = choice ? chooser(index, labels[index], language, choice) : element('span');
    label.classList.add('label');
    label.textContent = labelText(labels[index], language);
    if (!(language in labels[index].display)) label.lang = 'en';
    const score = element('span', 'score', percentText(scores[index], language));
    const track = element('span', 'track');
    const fill = element('span', 'fill');
    fill.style.setProperty('inline-size', `${scores[index] * 100}%`);
    track.append(fill);
    const row = element('li', 'bar');
    row.append(label, score, track);
    list.append(row);
  }
  return list;
}

function chooser(index: number, label: Label, language: Language, { chosen, choose }: Choice): HTMLElement {
  const made = element('button');
  made.type = 'button';
  made.title = TEXTS[language].showMapOf(labelText(label, language));
  made.setAttribute('aria-pressed', String(index === chosen));
  made.dataset.index = String(index);
  made.addEventListener('click', () => choose(index));
  return made;
}
