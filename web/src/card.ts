/**
 * One photo on the page: its thumbnail, and its answer as bars with text, or what went wrong.
 *
 * Outside tests hold on to the following, which stays. An element becomes `data-testid="result"` when it has an answer
 * or an error; the elements stand in the order in which the photos were given. With an answer it has
 * `data-scores` (JSON: every label's score in the contract's order, full precision) and `data-input-sha256` (of the
 * network's uint8 input), and holds `top-label` (`data-label`: the contract's name of it) and `top-score`
 * (`data-value`: 0 to 1, full precision). With an error it has `data-error`, a stable code.
 */
import { type Failure } from './failure.ts';
import type { Answer, Label } from './protocol.ts';
import { top } from './scores.ts';
import { failureText, type Language, percentText, TEXTS } from './text.ts';

const SHOWN = 5;

type State =
  | { readonly kind: 'waiting' | 'reading' }
  | { readonly kind: 'answer'; readonly answer: Answer; readonly labels: readonly Label[] }
  | { readonly kind: 'failure'; readonly failure: Failure };

export class Card {
  readonly file: File;
  readonly element = element('li', 'card');
  private state: State = { kind: 'waiting' };
  private readonly frame = element('div', 'frame');
  private readonly facts = element('p', 'facts');
  private readonly body = element('div', 'body');

  constructor(file: File, language: Language) {
    this.file = file;
    const name = element('p', 'name', file.name);
    name.title = file.name;
    const side = element('div', 'side');
    side.append(this.frame, name, this.facts);
    this.element.append(side, this.body);
    this.render(language);
  }

  /** Say that the photo is being looked at. */
  begin(language: Language): void {
    this.state = { kind: 'reading' };
    this.render(language);
  }

  /** Show the answer. */
  succeed(answer: Answer, labels: readonly Label[], language: Language): void {
    this.state = { kind: 'answer', answer, labels };
    const canvas = element('canvas');
    canvas.width = answer.thumbnail.width;
    canvas.height = answer.thumbnail.height;
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', this.file.name);
    canvas.getContext('bitmaprenderer')?.transferFromImageBitmap(answer.thumbnail);
    this.frame.replaceChildren(canvas);
    this.element.dataset.scores = JSON.stringify(answer.scores);
    this.element.dataset.inputSha256 = answer.inputSha256;
    this.element.dataset.testid = 'result';
    this.render(language);
  }

  /** Add what else there is to say of the photo. */
  extend(element: HTMLElement): void {
    this.element.append(element);
  }

  /** Show what went wrong. */
  fail(failure: Failure, language: Language): void {
    this.state = { kind: 'failure', failure };
    this.element.dataset.error = failure.code;
    this.element.dataset.testid = 'result';
    this.render(language);
  }

  /** Write the card's words anew. */
  render(language: Language): void {
    const { state } = this;
    this.element.dataset.state = state.kind;
    if (state.kind === 'answer') {
      const { format, width, height, scores } = state.answer;
      this.facts.textContent = `${format.toUpperCase()} · ${width}\u00a0×\u00a0${height}`; // the size on one line
      this.body.replaceChildren(bars(scores, state.labels, language));
    } else if (state.kind === 'failure') {
      this.body.replaceChildren(element('p', 'problem', failureText(state.failure, language)));
    } else {
      this.body.replaceChildren(element('p', 'pending', TEXTS[language][state.kind]));
    }
  }
}

function bars(scores: readonly number[], labels: readonly Label[], language: Language): HTMLElement {
  const list = element('ol', 'bars');
  for (const [rank, index] of top(scores, SHOWN).entries()) {
    const label = element('span', 'label', labels[index].display[language] ?? labels[index].display.en);
    const score = element('span', 'score', percentText(scores[index], language));
    if (rank === 0) {
      label.dataset.testid = 'top-label';
      label.dataset.label = labels[index].name;
      score.dataset.testid = 'top-score';
      score.dataset.value = String(scores[index]);
    }
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

function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className = '',
  text = '',
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
