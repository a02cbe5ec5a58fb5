import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestInfo } from '../context/request-info.ts';
import { environment } from './report.ts';

const direct: RequestInfo = {
  version: '0',
  http: 'HTTP/1.1',
  url: 'http://page.invalid',
  encrypted: false,
  advice: {},
  heads: null,
  fields: {},
};

function observe(fields: Partial<RequestInfo>, browserHttp = '?') {
  const request = { ...direct, ...fields };
  const url = new URL('http://page.invalid/');
  return environment({ browser: 'b', browserHttp, server: null, url, request });
}

test('a report names the products of a proxy and no addresses', { timeout: 60_000 }, () => {
  const via = '1.1 proxy.internal:3128 (squid/5.7), 1.1 10.0.0.7 (Apache)';
  const observed = observe({ fields: { via, 'x-real-ip': '192.0.2.7' } });
  assert.deepEqual(
    [observed.via, observed.proxyFields, observed.proxy],
    ['squid/5.7, Apache', ['via', 'x-real-ip'], true],
  );
});

test('a proxy is seen by what differs between the two ends', { timeout: 60_000 }, () => {
  assert.equal(observe({}).proxy, false, 'an unknown version is no sign of a proxy');
  assert.equal(observe({ encrypted: true }).proxy, true, 'encryption that begins in between is');
  assert.equal(observe({}, 'HTTP/2').proxy, true, 'and so is another version of HTTP');
  const unknown = observe({ version: '', http: '', url: '', encrypted: true }, 'HTTP/2');
  assert.deepEqual([unknown.proxy, unknown.misplaced], [false, false], 'silence is no sign');
});

test('a gateway that computes another URL for itself is misplaced', { timeout: 60_000 }, () => {
  const urls = ['http://page.invalid', 'http://elsewhere.invalid'];
  assert.deepEqual(
    urls.map((url) => observe({ url }).misplaced),
    [false, true],
  );
});
