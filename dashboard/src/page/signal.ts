// Typed events between the parts of the page.

export class Signal<Args extends unknown[] = []> {
  readonly #listeners: ((...args: Args) => void)[] = [];

  subscribe(listener: (...args: Args) => void): void {
    this.#listeners.push(listener);
  }

  emit(...args: Args): void {
    for (const listener of this.#listeners) listener(...args);
  }
}
