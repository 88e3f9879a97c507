/**
 * The question before something is deleted.
 */
import type { Language } from '../text.ts';
import { button, make } from './dom.ts';
import { TEACH_TEXTS } from './texts.ts';

export class Confirm {
  readonly element = make('dialog', 'teach-confirm');
  private readonly question = make('p');
  private readonly yes = button('button primary', () => this.element.close('yes'));
  private readonly no = button('button', () => this.element.close('no'));

  constructor() {
    const actions = make('div', 'actions');
    actions.append(this.no, this.yes);
    this.question.id = 'teach-question';
    this.element.setAttribute('aria-labelledby', this.question.id);
    this.yes.dataset.testid = 'teach-confirm';
    this.element.append(this.question, actions);
  }

  speak(language: Language): void {
    const { remove, keep } = TEACH_TEXTS[language].static;
    this.yes.textContent = remove;
    this.no.textContent = keep;
  }

  /** Ask, and wait for the answer: Escape and the first button say no. */
  ask(question: string): Promise<boolean> {
    this.question.textContent = question;
    this.element.returnValue = '';
    this.element.showModal();
    return new Promise((resolve) => {
      this.element.addEventListener('close', () => resolve(this.element.returnValue === 'yes'), { once: true });
    });
  }
}
