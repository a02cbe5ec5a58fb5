// The online counts in the header of the page: the total and that of each wire.

import { channelUrl, request } from '../context/gateway.ts';

/** Milliseconds over which changes are collected into one request. */
const DELAY_MS = 100;

interface Count {
  users: number;
}

interface OnlineReport extends Count {
  wires: Record<string, Count>;
}

let scheduled = false;

/** Updates the counts soon; several calls cause one request. */
export function updateOnlineCounts(): void {
  if (scheduled) return;
  scheduled = true;
  setTimeout(() => {
    scheduled = false;
    void showCounts();
  }, DELAY_MS);
}

async function showCounts() {
  const response = await request(channelUrl('online'));
  if (!response?.ok) return;
  const report = (await response.json()) as OnlineReport;
  for (const cell of document.querySelectorAll<HTMLElement>('#online dd')) {
    const { users } = report.wires[cell.dataset.wire ?? ''] ?? report;
    cell.textContent = String(users);
  }
}
