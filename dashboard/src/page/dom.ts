// Small helps with the document.

/** The element of that id; the page has it. */
export function byId<E extends HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as E;
}

/** The first element below `root` that fits; the page has it. */
export function within<E extends HTMLElement>(root: ParentNode, selector: string): E {
  const found = root.querySelector<E>(selector);
  if (!found) throw new Error(`there is no ${selector}`);
  return found;
}

/** A new element. */
export function element(
  name: string,
  className: string,
  ...children: (Node | string)[]
): HTMLElement {
  const made = Object.assign(document.createElement(name), { className });
  made.append(...children);
  return made;
}

/** Sets a text, unless it is there already: an assistive technology would read it again. */
export function show(cell: HTMLElement, text: string): void {
  if (cell.textContent !== text) cell.textContent = text;
}

/** A new button. */
export function button(text: string, action: () => void): HTMLButtonElement {
  const made = Object.assign(document.createElement('button'), {
    type: 'button',
    className: 'quiet',
    textContent: text,
  });
  made.addEventListener('click', action);
  return made;
}

/** Marks a button that works just now, and must not begin again. It stays where the focus is, unlike a disabled one. */
export function setBusy(button: HTMLButtonElement, busy: boolean): void {
  button.setAttribute('aria-disabled', String(busy));
}

export function isBusy(button: HTMLButtonElement): boolean {
  return button.getAttribute('aria-disabled') === 'true';
}

/** A number that a form asks for, within its own bounds. */
export function numberOf(id: string): number {
  const { min, max, valueAsNumber, defaultValue } = byId<HTMLInputElement>(id);
  const value = Number.isNaN(valueAsNumber) ? Number(defaultValue) : valueAsNumber;
  return Math.min(Number(max), Math.max(Number(min), value));
}
