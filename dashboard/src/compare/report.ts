// What a comparison has found, as data: what is shown, and what can be kept and shared. It names no address.

import type { WireName } from '../client/index.js';
import { base } from '../context/context.js';
import type { Seen } from '../context/request-info.js';
import type { Load } from '../measure/load-generator.js';
import type { Meter } from '../measure/meter.js';
import type { Bytes } from '../measure/overhead.js';
import { SLOT_MS } from '../measure/timeline.js';

/** One wire's figures; times in milliseconds. */
export interface WireReport {
  wire: WireName;
  /** The state of its panel in the end; "live" is good. */
  state: string;
  firstByte: number | null;
  /** All that came, and what of it this comparison has published. */
  messages: number;
  own: number;
  latency: {
    count: number;
    p50: number | null;
    p90: number | null;
    p99: number | null;
    max: number;
  };
  jitter: number | null;
  /** How often it came back, and how long it was away the last time. */
  reconnects: number;
  away: number | null;
  replayed: number;
  gaps: number;
  lost: number;
  disordered: number;
  repeated: number;
  bytes: Bytes;
  /** Bytes around each message, on average. */
  around: number | null;
  /** The upper bound of each latency, and the share of messages that took so long. */
  histogram: [bound: number, share: number][];
  /** Seconds from the start, and the median then. */
  timeline: [second: number, median: number][];
}

export interface Report {
  tricast: string;
  /** RFC 3339. */
  made: string;
  /** How long it ran, and why it ended early, if it did. */
  seconds: number;
  failure: string | null;
  load: Load;
  published: number;
  environment: {
    browser: string;
    /** What the browser spoke, and what came to the gateway. */
    browserHttp: string;
    gatewayHttp: string;
    /** Whether something stands between, as far as it shows. */
    proxy: boolean;
    /** Which fields it added, and by what name it goes. */
    proxyFields: string[];
    via: string | null;
    server: string | null;
    encrypted: boolean;
    /** The gateway takes itself to be somewhere else. */
    misplaced: boolean;
    /** What to change about whatever stands between, by symptom: as `tricast doctor` says it. */
    advice: Record<string, string>;
  };
  wires: WireReport[];
}

/** What one wire has done since `began`. */
export function wireReport(meter: Meter, state: string, began: number): WireReport {
  const {
    latency,
    wire,
    firstByte,
    messages,
    jitter,
    reconnects,
    away,
    replayed,
    gaps,
    lost,
    disordered,
    repeated,
    own,
  } = meter;
  const { count, max } = latency;
  return {
    wire,
    state,
    firstByte,
    messages,
    own,
    jitter,
    reconnects,
    away,
    replayed,
    gaps,
    lost,
    disordered,
    repeated,
    latency: {
      count,
      p50: latency.quantile(0.5),
      p90: latency.quantile(0.9),
      p99: latency.quantile(0.99),
      max,
    },
    bytes: { ...meter.bytes },
    around: messages ? meter.around / messages : null,
    histogram: latency.shares(),
    timeline: meter.timeline
      .upTo(performance.now())
      .map(({ slot, median }) => [Math.max(0, slot * SLOT_MS - began) / 1000, median]),
  };
}

const known = (http: string) => http.startsWith('HTTP/');

/** What the comments of a Via field name: the rest of it may be addresses (RFC 9110 §7.6.3). */
function products(via: string): string | null {
  return [...via.matchAll(/\(([^()]*)\)/g)].map(([, name]) => name).join(', ') || null;
}

/** Fields that nobody but a proxy sends. */
const OF_PROXIES = [
  'via',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-real-ip',
  'x-envoy-external-address',
  'cf-ray',
  'cdn-loop',
];

/** What stands between, from both ends: what the gateway saw, and what the browser got. */
export function environment(
  seen: Seen,
  browserHttp: string,
  server: string | null,
): Report['environment'] {
  const proxyFields = OF_PROXIES.filter((name) => name in seen.fields);
  const encrypted = location.protocol === 'https:';
  return {
    browser: navigator.userAgent,
    browserHttp,
    gatewayHttp: seen.http,
    // The gateway names no server in its answers. What it did not say is no sign.
    proxy:
      proxyFields.length > 0 ||
      server !== null ||
      (known(seen.http) &&
        (encrypted !== seen.encrypted || (known(browserHttp) && browserHttp !== seen.http))),
    proxyFields,
    via: products(seen.fields['via'] ?? ''),
    server,
    encrypted,
    misplaced: seen.url !== '' && seen.url !== base().href.replace(/\/$/, ''),
    advice: seen.advice,
  };
}
