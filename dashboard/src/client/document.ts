// The documents that arrive, the same on every wire: PROTOCOL.md §2 and §4.

/** A wire that a gateway speaks. */
export type WireName = 'ws' | 'sse' | 'chunked';

/** A published message. */
export interface Message {
  /** Where to resume from. */
  id: string;
  channel: string;
  /** `message`, unless the publisher named another. */
  event: string;
  data: unknown;
  /** `data` are bytes in base64. */
  encoding?: 'base64';
  /** The channel ends with it. */
  end?: true;
  /** Users that were online when it was published. */
  online?: number;
  /** Milliseconds since 1970, on the gateway's clock. */
  time: number;
}

/** The first document of every connection. */
export interface Hello {
  event: 'tricast.hello';
  /** The cursor that this connection reads from. */
  id: string;
  channels: string[];
  client: string;
  issued: boolean;
  user?: string;
  /** The stream goes on behind the id that was given, without a hole. */
  recovered: boolean;
  /** Why not. */
  reason?: 'fresh' | 'evicted' | 'epoch';
  online: Record<string, number>;
  /** Milliseconds; a connection silent for two of these is dead. */
  heartbeat: number;
  time: number;
}

/** Messages of a channel are lost to this reader. */
export interface Gap {
  event: 'tricast.gap';
  id: string;
  channel: string;
  /** The first and the last that may be lost; `null` when the gateway began a new log. */
  first: number | null;
  last: number | null;
  certain: boolean;
  time: number;
}

/** The stream lives, and its cursor has moved although nothing came. */
export interface Alive {
  event: 'tricast.alive';
  id: string;
  time: number;
}

/** How many are online in a channel now. */
export interface Online {
  event: 'tricast.online';
  channel: string;
  users: number;
  connections: number;
  time: number;
}

/** The token ends in `left` milliseconds. */
export interface Expiring {
  event: 'tricast.expiring';
  left: number;
  time: number;
}

/** The last document of a stream that the gateway ends. */
export interface Goodbye {
  event: 'tricast.goodbye';
  reason: string;
  reconnect: 'now' | 'later' | 'never';
  /** Milliseconds to wait before that. */
  retry?: number;
  time: number;
}

/** The answer to a command, of a WebSocket alone. */
export interface Answer {
  event: 'tricast.ack' | 'tricast.error';
  ref?: string | number;
  [field: string]: unknown;
}

export type Control = Hello | Gap | Alive | Online | Expiring | Goodbye | Answer;
export type Document = Message | Control;

/** What a gateway says when it refuses (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  /** What is wrong, and what to do. */
  detail: string;
}

/** Presence is told by messages that have a name of ours: they have ids, and are published. */
export function isMessage(document: Document): document is Message {
  return 'data' in document;
}

/** An id's two parts. Ids of another epoch are of another life of the log, and cannot be compared. */
export function parts(id: string): { epoch: string; seq: number } {
  const dash = id.lastIndexOf('-');
  return { epoch: id.slice(0, dash), seq: Number(id.slice(dash + 1)) };
}
