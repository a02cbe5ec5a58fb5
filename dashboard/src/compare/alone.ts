// Measures each wire by itself: one stream open at a time, in rounds of random order.

import { connect, type WireName } from '../client/index.ts';
import { channel, clientId, token } from '../context/context.ts';
import { type Load, type LoadGenerator, tagOf } from '../measure/load-generator.ts';
import type { Round } from './verdict.ts';
import { sleep, until } from './wait.ts';

/** Timed messages of a wire in each round. The first one, which opens connections, is not timed. */
const MESSAGES = 6;
/** Requests in each round that no stream is open for. */
const REQUESTS = 2;
/** More rounds would not change the verdict. */
const MAX_ROUNDS = 100;
/** The most milliseconds between two messages, unless the gateway limits the rate. */
const MAX_PAUSE_MS = 35;
/** The share by which a pause may be shorter, so that pauses keep in step with no timer. */
const PAUSE_SPREAD = 0.6;
/** The longest pause is twice that of the load: this divided by its rate, in ms. */
const MIN_RATE_PAUSES = 2000;
/** The most concurrent requests. */
const MAX_CONCURRENT = 3;
/** Milliseconds for a stream to open, and for the last messages of a round to arrive. */
const OPEN_TIMEOUT_MS = 3000;
const ARRIVAL_TIMEOUT_MS = 3000;
/** A wire that has failed so often in a row is left out from then on. */
const MAX_FAILURES = 2;

export interface AloneResult {
  rounds: Round[];
  /** The milliseconds of each request that published a message to nobody. */
  requests: number[];
}

export interface AloneOptions {
  wires: WireName[];
  generator: LoadGenerator;
  load: Load;
  /** Receives what is measured next: a wire, or requests without one. */
  onStep: (wire: WireName | null, round: number) => void;
  /** Whether to end; a round that has begun ends early. */
  isOver: () => boolean;
}

/** Measures until it is over, or until the gateway refuses even the rate of the load. */
export async function measureAlone(options: AloneOptions): Promise<AloneResult> {
  const result: AloneResult = { rounds: [], requests: [] };
  const failures = new Map<WireName, number>();
  let maxPause = MAX_PAUSE_MS;
  while (!options.isOver() && result.rounds.length < MAX_ROUNDS) {
    try {
      await measureRound({ ...options, maxPause }, result, failures);
    } catch {
      // Publishing may be limited to a lower rate. The reason of a refusal that lasts is reported
      // when the gateway refuses the messages of all wires together too.
      if (maxPause >= MIN_RATE_PAUSES / options.load.rate) break;
      maxPause *= 2;
    }
  }
  return result;
}

type RoundOptions = AloneOptions & { maxPause: number };

async function measureRound(
  options: RoundOptions,
  { rounds, requests }: AloneResult,
  failures: Map<WireName, number>,
) {
  const round: Round = {};
  const number = rounds.length + 1;
  options.onStep(null, number);
  requests.push(...(await timeRequests(options)));
  for (const wire of shuffled(options.wires)) {
    const failed = failures.get(wire) ?? 0;
    if (failed >= MAX_FAILURES || options.isOver()) continue;
    options.onStep(wire, number);
    const latencies = await measureWire(wire, options);
    failures.set(wire, latencies.length ? 0 : failed + 1);
    if (latencies.length) round[wire] = latencies;
  }
  if (Object.keys(round).length) rounds.push(round);
}

/** Times requests that publish a message while no stream is open. */
async function timeRequests(options: RoundOptions): Promise<number[]> {
  const { generator, load, isOver, maxPause } = options;
  const times: number[] = [];
  for (let n = 0; n < REQUESTS && !isOver(); n += 1) {
    const began = performance.now();
    await generator.publishOne(generator.nextMessage(load));
    times.push(performance.now() - began);
    await pause(maxPause);
  }
  return times;
}

/** Opens a wire, times a few messages, and closes it; returns none if it does not open. */
async function measureWire(wire: WireName, options: RoundOptions): Promise<number[]> {
  const sentAt = new Map<string, number>();
  const latencies = new Map<string, number>();
  const connection = connect({
    channel: channel(),
    wires: [wire],
    client: clientId(),
    token,
    onMessage({ data }) {
      const now = performance.now();
      const tag = tagOf(data);
      const at = tag === null ? undefined : sentAt.get(tag);
      if (tag !== null && at !== undefined) latencies.set(tag, now - at);
    },
  });
  try {
    await until(() => connection.state === 'live' || options.isOver(), OPEN_TIMEOUT_MS);
    if (connection.state !== 'live') return [];
    await publishPaced(options, sentAt);
    const arrived = () => latencies.size >= sentAt.size || options.isOver();
    await until(arrived, ARRIVAL_TIMEOUT_MS);
  } finally {
    connection.close();
  }
  const [first] = sentAt.keys();
  return [...latencies].filter(([tag]) => tag !== first).map(([, latency]) => latency);
}

/** Publishes the messages of one wire; rejects if the gateway refuses one. */
async function publishPaced(options: RoundOptions, sentAt: Map<string, number>) {
  const { generator, load, isOver, maxPause } = options;
  const pending = new Set<Promise<void>>();
  const refusals: unknown[] = [];
  for (let n = 0; n <= MESSAGES && !isOver() && !refusals.length; n += 1) {
    const message = generator.nextMessage(load);
    sentAt.set(message.tag, performance.now());
    const request = generator
      .publishOne(message)
      .catch((error) => refusals.push(error))
      .then(() => void pending.delete(request));
    pending.add(request);
    await pause(maxPause);
    if (pending.size >= MAX_CONCURRENT) await Promise.race(pending);
  }
  await Promise.all(pending);
  if (refusals.length) throw refusals[0];
}

function pause(maxPause: number): Promise<void> {
  return sleep(maxPause * (1 - PAUSE_SPREAD * Math.random()));
}

function shuffled<T>(values: T[]): T[] {
  return values
    .map((value) => ({ value, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);
}
