// Helpers for the DOM.

/** Returns the element with that id, which must exist. */
export function byId<E extends HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as E;
}

/** Returns the first match below `root`, which must exist. */
export function within<E extends HTMLElement>(root: ParentNode, selector: string): E {
  const found = root.querySelector<E>(selector);
  if (!found) throw new Error(`there is no ${selector}`);
  return found;
}

/** Creates an element. */
export function element(
  name: string,
  className: string,
  ...children: (Node | string)[]
): HTMLElement {
  const created = Object.assign(document.createElement(name), { className });
  created.append(...children);
  return created;
}

/** Creates a button. */
export function button(text: string, action: () => void): HTMLButtonElement {
  const properties = { type: 'button', className: 'quiet', textContent: text };
  const created = Object.assign(document.createElement('button'), properties);
  created.addEventListener('click', action);
  return created;
}

/** Sets a text only if it changes: assistive technology would read it again. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Marks a button as busy. It keeps the focus, unlike a disabled one. */
export function setBusy(target: HTMLButtonElement, busy: boolean): void {
  target.setAttribute('aria-disabled', String(busy));
}

export function isBusy(target: HTMLButtonElement): boolean {
  return target.getAttribute('aria-disabled') === 'true';
}

/** Returns the value of a number field, within the bounds of the field. */
export function numberOf(id: string): number {
  const { min, max, valueAsNumber, defaultValue } = byId<HTMLInputElement>(id);
  const value = Number.isNaN(valueAsNumber) ? Number(defaultValue) : valueAsNumber;
  return Math.min(Number(max), Math.max(Number(min), value));
}

/** Scrolls to a part of the page and focuses it. The fragment of the URL names the channel. */
export function goTo(id: string): void {
  const target = byId(id);
  const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)').matches;
  target.scrollIntoView({ behavior: reducedMotion ? 'auto' : 'smooth', block: 'start' });
  target.tabIndex = -1;
  target.focus({ preventScroll: true });
}
