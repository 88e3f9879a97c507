/**
 * What a photo's card says of the taught labels: the answer, and a way to make the photo an example.
 */
import { percentText, type Language } from '../text.ts';
import type { Answer } from '../protocol.ts';
import { button, make } from './dom.ts';
import { LIMITS } from './example.ts';
import type { Teacher } from './teacher.ts';
import { TEACH_TEXTS } from './texts.ts';

/** A photo of the page that has its answer. */
export interface AnsweredPhoto {
  readonly id: string;
  readonly file: File;
  readonly answer: Answer;
}

/** What a badge asks of the panel; each returns what went wrong, in words, empty if nothing did. */
export interface BadgeActions {
  use(label: string, photo: AnsweredPhoto): Promise<string>;
  remove(photo: AnsweredPhoto): Promise<string>;
}

export class Badge {
  readonly element = make('div', 'taught');
  private readonly photo: AnsweredPhoto;
  private readonly answer = make('p', 'taught-answer');
  private readonly example = make('p', 'taught-example');
  private readonly exampleOf = make('span');
  private readonly remove: HTMLButtonElement;
  private readonly use = make('details', 'taught-use');
  private readonly summary = make('summary');
  private readonly form = make('form', 'taught-form');
  private readonly name = make('input', 'teach-input');
  private readonly submit = make('button', 'quiet');
  private readonly problem = make('p', 'problem');

  /** @param names id of the `datalist` of the labels that there are. */
  constructor(photo: AnsweredPhoto, names: string, actions: BadgeActions) {
    this.photo = photo;
    this.element.dataset.testid = 'taught';
    this.remove = button('quiet', () => {
      void actions.remove(photo).then((trouble) => this.report(trouble, this.summary));
    });
    this.example.append(this.exampleOf, ' ', this.remove);
    this.name.setAttribute('list', names);
    this.name.maxLength = LIMITS.characters;
    this.name.autocomplete = 'off';
    this.submit.type = 'submit';
    this.form.append(this.name, this.submit);
    this.problem.setAttribute('role', 'alert');
    this.use.append(this.summary, this.form);
    this.use.addEventListener('toggle', () => {
      if (this.use.open) this.name.focus();
    });
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      void actions.use(this.name.value, photo).then((trouble) => {
        if (trouble === '') {
          this.name.value = '';
          this.use.open = false;
        }
        this.report(trouble, this.remove);
      });
    });
    this.element.append(this.answer, this.example, this.use, this.problem);
  }

  /** Say what went wrong, or go on to the control that has taken the place of the one that was used. */
  private report(trouble: string, next: HTMLElement): void {
    this.problem.textContent = trouble;
    if (trouble === '') next.focus();
  }

  /** Show what is taught by now. */
  update(teacher: Teacher, visible: boolean, language: Language): void {
    this.element.hidden = !visible;
    if (!visible) return;
    const texts = TEACH_TEXTS[language];
    const example = teacher.exampleOf(this.photo.answer);
    // Of a photo that it was taught with, an answer would say nothing.
    const judgement = example ? null : teacher.judge(this.photo.answer);
    this.answer.hidden = judgement === null;
    this.answer.replaceChildren();
    if (judgement) {
      const label = make('strong', 'taught-label', judgement.label ?? texts.none(judgement.nearest));
      label.dataset.testid = 'taught-label';
      label.dataset.label = judgement.label ?? '';
      this.answer.append(make('span', 'taught-title', texts.static.answerTitle), label);
      if (judgement.label !== null) {
        const score = make('span', 'score', percentText(judgement.score, language));
        score.dataset.testid = 'taught-score';
        score.dataset.value = String(judgement.score);
        this.answer.append(score);
      }
    }
    this.example.hidden = !example;
    this.exampleOf.textContent = example ? texts.isExample(example.label) : '';
    this.remove.textContent = texts.static.remove;
    this.remove.setAttribute('aria-label', `${texts.static.remove}: ${this.exampleOf.textContent}`);
    this.use.hidden = example !== undefined;
    this.summary.textContent = texts.static.useAsExample;
    this.name.setAttribute('aria-label', texts.static.label);
    this.name.placeholder = texts.static.label;
    this.submit.textContent = texts.static.use;
  }
}
