// Do a thousand streams at once each get their hello and a message?
import { openReader } from '../readers.mjs';
import { comes, fresh } from './verdict.mjs';

const together = 100;

export const crowdOf = (count) =>
  async function crowd(stand, way) {
    const channel = fresh('crowd');
    const readers = [];
    try {
      const began = performance.now();
      for (let opened = 0; opened < count; opened += together) {
        // Not all in one moment: that would be a test of the machine's backlog.
        for (let i = 0; i < together; i += 1) readers.push(openReader(stand, way, channel));
        if (!(await comes(() => readers.every(({ ledger }) => ledger.hellos.length), 10_000))) {
          return {
            verdict: `${readers.filter(({ ledger }) => ledger.hellos.length).length} of ${count}`,
          };
        }
      }
      const opened = performance.now() - began;
      const sent = performance.now();
      await stand.gateway.publish(channel, 'to all of you');
      if (!(await comes(() => readers.every(({ ledger }) => ledger.messages.length), 10_000))) {
        return {
          verdict: `${readers.filter(({ ledger }) => ledger.messages.length).length} of ${count} hear`,
        };
      }
      const again = readers.filter(({ ledger }) => ledger.hellos.length > 1).length;
      return again
        ? { verdict: `${again} of ${count} were cut` }
        : { verdict: 'ok', ms: performance.now() - sent, opened };
    } finally {
      for (const reader of readers) reader.end();
    }
  };
