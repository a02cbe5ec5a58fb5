// The interface that all wires implement, and the reading of refusals that they share.

import type { Document, Problem, WireName } from './document.ts';

/** Callbacks through which a wire reports to the connection that opened it. */
export interface WireHandlers {
  /** Receives each document, parsed and as the text that arrived. */
  document(document: Document, text: string): void;
  /** The wire lost its stream and reconnects by itself, as an EventSource does. */
  interrupted(): void;
  /** The stream has ended for good; `refusal` is set if the gateway refused it. */
  closed(refusal: Refusal | null): void;
}

/** A refusal by the gateway, or by a proxy in front of it. */
export interface Refusal {
  problem: Problem;
  /** A later attempt may succeed. */
  temporary: boolean;
}

/** A stream that is open or being opened. */
export interface WireStream {
  /** Closes the stream; no handler is called afterwards. */
  close(): void;
  /** Sends a command, on wires that can. */
  send?(command: object): void;
  /** Stops reading or resumes it, on wires that can. */
  setPaused?(paused: boolean): void;
  /** Whether reading has stopped. A read that is pending at `setPaused(true)` completes first. */
  isHeld?(): boolean;
}

export interface OpenOptions {
  /** The URL of the stream with all parameters but the token. */
  url: URL;
  /** Sent where the wire leaves the fewest traces of it. */
  token: string | undefined;
  handlers: WireHandlers;
  /** Event names, for wires that deliver only the names they subscribe to. */
  events: Iterable<string>;
}

export interface Wire {
  name: WireName;
  open(options: OpenOptions): WireStream;
}

/** Reads the problem document of a response that is not a stream. */
export async function readRefusal(response: Response): Promise<Refusal> {
  const { status, statusText } = response;
  const fallback: Problem = {
    type: 'about:blank',
    title: statusText,
    status,
    detail: `the response status was ${status}`,
  };
  const problem: Problem = { ...fallback, ...(await response.json().catch(() => ({}))) };
  return { problem, temporary: status === 408 || status === 429 || status >= 500 };
}
