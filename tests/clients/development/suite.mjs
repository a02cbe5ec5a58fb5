// The tests of one development server.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startBrowser } from '../browser.mjs';
import { answersWhileAway, examined, leaves, passes, reopens } from './checks.mjs';
import { startDevelopment } from './stand.mjs';

/** `away` is the status that the document names. */
export function developmentSuite(server, { packages, away }) {
  let stand, browser;
  before(
    async () => {
      stand = await startDevelopment(server, packages);
      browser = await startBrowser();
    },
    { timeout: 180_000 },
  );
  after(async () => {
    await browser?.close();
    await stand?.close();
  });

  test(`${server.name}: all wires and publishing get through`, { timeout: 60_000 }, () =>
    passes(stand, browser),
  );
  test(`${server.name}: a stream ends when its client has left`, { timeout: 60_000 }, () =>
    leaves(stand),
  );
  test(`${server.name}: tricast doctor finds no fault`, { timeout: 90_000 }, () => examined(stand));
  test(`${server.name}: ${away} while the gateway is away`, { timeout: 60_000 }, async () => {
    assert.equal(await answersWhileAway(stand), away);
  });
  test(
    `${server.name}: a page comes back after a restart of the gateway`,
    { timeout: 120_000 },
    () => reopens(stand, browser),
  );
}
