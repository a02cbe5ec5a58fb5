// The online counts in the page's head, in all and for each wire.

import { address, ask } from '../context/context.js';

interface Count {
  users: number;
}
type Census = Count & { wires: Record<string, Count> };

let counting: ReturnType<typeof setTimeout> | undefined;

/** Asks soon, once for many who want to know. */
export function countSoon(): void {
  counting ??= setTimeout(async () => {
    counting = undefined;
    const answer = await ask(address('online'));
    if (!answer?.ok) return;
    const online = (await answer.json()) as Census;
    for (const cell of document.querySelectorAll<HTMLElement>('#online dd')) {
      const { users } = online.wires[cell.dataset['wire'] ?? ''] ?? online;
      cell.textContent = String(users);
    }
  }, 100);
}
