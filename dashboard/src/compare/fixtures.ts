// Reports for tests.

import type { WireName } from '../client/index.ts';
import type { Environment, Report, Times, WireReport } from './report.ts';

const OVERHEAD = { sse: 32, chunked: 7, ws: 2 };

const TIMES: Times = { count: 10, p50: 1, p90: 2, p99: 3, max: 4 };

/** Makes a report of a wire that works. */
export function wireFixture(wire: WireName, fields: Partial<WireReport> = {}): WireReport {
  return {
    wire,
    state: 'live',
    firstByte: 1,
    messages: 10,
    own: 10,
    alone: TIMES,
    latency: TIMES,
    jitter: 1,
    reconnects: 0,
    away: null,
    replayed: 0,
    gaps: 0,
    lost: 0,
    disordered: 0,
    repeated: 0,
    bytes: { head: 1, framing: 20, payload: 100 },
    around: OVERHEAD[wire],
    histogram: [[1, 1]],
    timeline: [
      [0, 1],
      [1, 2],
    ],
    ...fields,
  };
}

/** Makes the environment of a browser without a proxy. */
export function environmentFixture(fields: Partial<Environment> = {}): Environment {
  return {
    browser: 'b',
    browserHttp: 'HTTP/1.1',
    gatewayHttp: 'HTTP/1.1',
    proxy: false,
    proxyFields: [],
    via: null,
    server: null,
    encrypted: false,
    loopback: false,
    misplaced: false,
    advice: {},
    ...fields,
  };
}

export function reportFixture(wires: WireReport[], fields: Partial<Report> = {}): Report {
  return {
    tricast: '0',
    made: '2026-11-22T00:00:00Z',
    seconds: 3,
    failure: null,
    load: { rate: 1, size: 1, json: false },
    published: 10,
    rounds: [],
    verdict: {
      outcome: 'no-difference',
      slower: [],
      medians: { sse: 1, chunked: 1, ws: 1 },
      threshold: 17,
      rounds: 20,
    },
    request: TIMES,
    tab: { alone: TIMES, together: TIMES },
    environment: environmentFixture(),
    wires,
    ...fields,
  };
}
