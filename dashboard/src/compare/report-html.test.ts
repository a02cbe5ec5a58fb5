import assert from 'node:assert/strict';
import { test } from 'node:test';
import { environmentFixture, reportFixture, wireFixture } from './fixtures.ts';
import { reportPage } from './report-html.ts';

test('a report escapes all values from outside', { timeout: 60_000 }, () => {
  const markup = '<img src=x onerror=alert(1)>"\'&';
  const environment = environmentFixture({
    browser: markup,
    browserHttp: markup,
    gatewayHttp: markup,
    proxy: true,
    server: markup,
    via: markup,
  });
  const wires = [wireFixture('sse'), wireFixture('ws', { state: markup })];
  const html = reportPage(reportFixture(wires, { environment, tricast: markup }));
  assert.doesNotMatch(html, /<img/);
  assert.ok(html.split('&#60;img').length > 5, 'the values are there as text');
});
