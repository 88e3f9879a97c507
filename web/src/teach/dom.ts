/**
 * Making elements.
 */

/** A new element with a class and a text. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className = '',
  text = '',
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** A new button that does something. */
export function button(className: string, pressed: () => void): HTMLButtonElement {
  const made = make('button', className);
  made.type = 'button';
  made.addEventListener('click', pressed);
  return made;
}

/** A file input that is opened by a button: the button is what keyboards and screen readers meet. */
export function fileInput(accept: string, multiple: boolean, chosen: (files: File[]) => void): HTMLInputElement {
  const made = make('input');
  made.type = 'file';
  made.accept = accept;
  made.multiple = multiple;
  made.hidden = true;
  made.addEventListener('change', () => {
    const files = Array.from(made.files ?? []);
    made.value = ''; // so that the same file can be chosen again
    chosen(files);
  });
  return made;
}

/** Let photos be dropped on an element: `default` is prevented, by which the page knows that they are not for it. */
export function takeDrops(target: HTMLElement, dropped: (files: File[]) => void): void {
  const mark = (over: boolean) => target.classList.toggle('teach-over', over);
  target.addEventListener('dragover', (event) => {
    event.preventDefault();
    mark(true);
  });
  target.addEventListener('dragleave', (event) => {
    if (!(event.relatedTarget instanceof Node && target.contains(event.relatedTarget))) mark(false);
  });
  target.addEventListener('drop', (event) => {
    mark(false);
    if (event.defaultPrevented) return; // an element within took it
    event.preventDefault();
    dropped(Array.from(event.dataTransfer?.files ?? []));
  });
}
