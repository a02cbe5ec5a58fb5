// The result of a comparison as data, for display, saving and sharing. It contains no addresses.

import type { WireName } from '../client/index.ts';
import type { RequestInfo } from '../context/request-info.ts';
import type { Load } from '../measure/load-generator.ts';
import type { Meter } from '../measure/meter.ts';
import type { Bytes } from '../measure/overhead.ts';
import { quantile } from '../measure/quantile.ts';
import { SLOT_MS } from '../measure/timeline.ts';
import type { Round, Verdict } from './verdict.ts';

/** Times in milliseconds. */
export interface Times {
  count: number;
  p50: number | null;
  p90: number | null;
  p99: number | null;
  max: number;
}

/** The figures of one wire; unless they say otherwise, of the time when all wires were open. */
export interface WireReport {
  wire: WireName;
  /** The final state of its panel; "live" is good. */
  state: string;
  firstByte: number | null;
  /** All messages that arrived. */
  messages: number;
  /** The messages of this comparison. */
  own: number;
  /** The latency while this wire was the only one that was open. */
  alone: Times;
  /** The latency while all wires were open. */
  latency: Times;
  jitter: number | null;
  reconnects: number;
  /** The length of the last outage. */
  away: number | null;
  replayed: number;
  gaps: number;
  lost: number;
  disordered: number;
  repeated: number;
  bytes: Bytes;
  /** The average overhead of a message in bytes. */
  around: number | null;
  /** The upper bound and the share of each latency bucket. */
  histogram: [bound: number, share: number][];
  /** The median latency by seconds since the start. */
  timeline: [second: number, median: number][];
}

export interface Report {
  tricast: string;
  /** The time of the report (RFC 3339). */
  made: string;
  /** The duration of the comparison. */
  seconds: number;
  /** The reason for an early end, if any. */
  failure: string | null;
  load: Load;
  /** The messages that were published while all wires were open. */
  published: number;
  /** The latencies of each wire by itself. */
  rounds: Round[];
  verdict: Verdict;
  /** Requests that published a message while no stream was open. */
  request: Times;
  /** How long events waited in the tab until the page handled them. */
  tab: { alone: Times; together: Times };
  environment: Environment;
  wires: WireReport[];
}

export interface Environment {
  browser: string;
  /** The version of HTTP that the browser used. */
  browserHttp: string;
  /** The version of HTTP that reached the gateway. */
  gatewayHttp: string;
  /** Whether a proxy is visible. */
  proxy: boolean;
  /** The header fields that it added. */
  proxyFields: string[];
  /** The product names of its Via field. */
  via: string | null;
  server: string | null;
  encrypted: boolean;
  /** The gateway, or a proxy in front of it, runs on the machine of the browser. */
  loopback: boolean;
  /** The gateway computes another URL for itself than the browser uses. */
  misplaced: boolean;
  /** Advice on the proxies in between, by symptom, in the words of `tricast doctor`. */
  advice: Record<string, string>;
}

export function timesOf(values: number[], count = values.length): Times {
  return {
    count,
    p50: quantile(values, 0.5),
    p90: quantile(values, 0.9),
    p99: quantile(values, 0.99),
    max: quantile(values, 1) ?? 0,
  };
}

/** What a comparison has found out about one wire. */
export interface WireResult {
  meter: Meter;
  /** The latencies while this wire was the only one that was open. */
  alone: number[];
  state: string;
  /** The time from which all wires were open. */
  began: number;
}

/** Makes the report of one wire. */
export function wireReport({ meter, alone, state, began }: WireResult): WireReport {
  const { latency, latencies, messages } = meter;
  const seconds = (slot: number) => Math.max(0, slot * SLOT_MS - began) / 1000;
  return {
    wire: meter.wire,
    state,
    firstByte: meter.firstByte,
    messages,
    own: meter.own,
    jitter: meter.jitter,
    reconnects: meter.reconnects,
    away: meter.away,
    replayed: meter.replayed,
    gaps: meter.gaps,
    lost: meter.lost,
    disordered: meter.disordered,
    repeated: meter.repeated,
    alone: timesOf(alone),
    latency: { ...timesOf(latencies.values, latencies.count), max: latencies.max },
    bytes: { ...meter.bytes },
    around: messages ? meter.around / messages : null,
    histogram: latency.shares(),
    timeline: meter.timeline
      .upTo(performance.now())
      .map(({ slot, median }) => [seconds(slot), median]),
  };
}

/** Both ends' view of the path between browser and gateway. */
export interface Observation {
  /** The User-Agent of the browser. */
  browser: string;
  browserHttp: string;
  /** The Server field of the page's response; the gateway itself sends none. */
  server: string | null;
  /** The URL of the gateway as the browser uses it. */
  url: URL;
  request: RequestInfo;
}

/** The host names of the browser's own machine. */
const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/;

/** Header fields that only proxies send. */
const PROXY_FIELDS = [
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

/** Draws conclusions from what both ends have observed. */
export function environment(observation: Observation): Environment {
  const { browser, browserHttp, server, url, request } = observation;
  const proxyFields = PROXY_FIELDS.filter((name) => name in request.fields);
  const encrypted = url.protocol === 'https:';
  return {
    browser,
    browserHttp,
    gatewayHttp: request.http,
    proxy: proxyFields.length > 0 || server !== null || ends(observation) === 'differ',
    proxyFields,
    via: productNames(request.fields.via ?? ''),
    server,
    encrypted,
    loopback: LOOPBACK.test(url.hostname),
    misplaced: request.url !== '' && request.url !== url.href.replace(/\/$/, ''),
    advice: request.advice,
  };
}

/** Compares the encryption and HTTP versions at both ends; unknown ones count as the same. */
function ends({ browserHttp, url, request }: Observation): 'same' | 'differ' {
  const isKnown = (http: string) => http.startsWith('HTTP/');
  if (!isKnown(request.http)) return 'same';
  if ((url.protocol === 'https:') !== request.encrypted) return 'differ';
  return isKnown(browserHttp) && browserHttp !== request.http ? 'differ' : 'same';
}

/** Returns the comments of a Via field; the rest may contain addresses (RFC 9110 §7.6.3). */
function productNames(via: string): string | null {
  return [...via.matchAll(/\(([^()]*)\)/g)].map(([, name]) => name).join(', ') || null;
}
