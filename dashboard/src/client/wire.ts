// What all wires have in common for those who open them.

import type { Document, Problem, WireName } from './document.js';

/** What a wire tells whoever has opened it. */
export interface Ears {
  /** A document has come, as this text. */
  document(document: Document, text: string): void;
  /** The wire tries again by itself, as an EventSource does. */
  interrupted(): void;
  /** It is over, and nothing more will come; with a reason when it was refused. */
  closed(refusal: Refusal | null): void;
}

/** Why it was refused. */
export interface Refusal {
  problem: Problem;
  /** It may be another answer later. */
  passes: boolean;
}

/** An open wire, or one on its way. */
export interface Line {
  /** Nothing is told any more. */
  close(): void;
  /** Says something, where the wire can. */
  send?(command: object): void;
  /** Stops to read, or goes on, where the wire can. */
  hold?(held: boolean): void;
}

export interface Opening {
  /** Where, with everything that the gateway is to know. */
  address: URL;
  /** Goes where the wire leaves the least traces of it. */
  token: string | undefined;
  ears: Ears;
  /** Event names, for wires that hear only those that they know. */
  names: Iterable<string>;
}

export interface Wire {
  name: WireName;
  open(opening: Opening): Line;
}

/** Reads what an answer that is no stream says. */
export async function refusal(response: Response): Promise<Refusal> {
  const blank = {
    type: 'about:blank',
    title: response.statusText,
    status: response.status,
    detail: `the answer was ${response.status}`,
  };
  const problem: Problem = { ...blank, ...(await response.json().catch(() => ({}))) };
  return {
    problem,
    passes: response.status === 408 || response.status === 429 || response.status >= 500,
  };
}
