// The documents that the gateway sends, the same on every wire: PROTOCOL.md §2 and §4.

/** The name of a wire, as in the path of its URL. */
export type WireName = 'ws' | 'sse' | 'chunked';

/** A published message. */
export interface Message {
  /** The position to resume from. */
  id: string;
  channel: string;
  /** `message`, unless the publisher set another name. */
  event: string;
  data: unknown;
  /** `data` is binary data in base64. */
  encoding?: 'base64';
  /** This message ends the channel. */
  end?: true;
  /** The number of users online when it was published. */
  online?: number;
  /** Milliseconds since 1970 on the gateway's clock. */
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
  /** The stream resumes after the given id without a gap. */
  recovered: boolean;
  /** The reason if it does not. */
  reason?: 'fresh' | 'evicted' | 'epoch' | 'foreign';
  /** After a POST: whether it published its body. */
  published?: boolean;
  online: Record<string, number>;
  /** Milliseconds; a connection silent for two of these is dead. */
  heartbeat: number;
  time: number;
}

/** Reports messages that this subscriber has missed. */
export interface Gap {
  event: 'tricast.gap';
  id: string;
  channel: string;
  /** The first and last sequence number lost; `null` if the gateway does not know the id that was resumed from. */
  first: number | null;
  last: number | null;
  certain: boolean;
  time: number;
}

/** A heartbeat that carries a new cursor although no message was sent. */
export interface Alive {
  event: 'tricast.alive';
  id: string;
  time: number;
}

/** The current online count of a channel. */
export interface Online {
  event: 'tricast.online';
  channel: string;
  users: number;
  connections: number;
  time: number;
}

/** Warns that the token expires in `left` milliseconds. */
export interface Expiring {
  event: 'tricast.expiring';
  left: number;
  time: number;
}

/** The last document of a stream that the gateway closes. */
export interface Goodbye {
  event: 'tricast.goodbye';
  reason: string;
  reconnect: 'now' | 'later' | 'never';
  /** Milliseconds to wait before reconnecting. */
  retry?: number;
  time: number;
}

/** The response to a command; WebSocket only. */
export interface Answer {
  event: 'tricast.ack' | 'tricast.error';
  ref?: string | number;
  [field: string]: unknown;
}

export type Control = Hello | Gap | Alive | Online | Expiring | Goodbye | Answer;
export type Document = Message | Control;

/** A problem document, the body of a refusal (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  /** Explains what is wrong and what to do. */
  detail: string;
}

/** Tells messages from control documents. Presence events are messages: they have ids. */
export function isMessage(document: Document): document is Message {
  return 'data' in document;
}

/** Splits an id. Ids of different epochs belong to different logs and cannot be compared. */
export function parseId(id: string): { epoch: string; seq: number } {
  const dash = id.lastIndexOf('-');
  return { epoch: id.slice(0, dash), seq: Number(id.slice(dash + 1)) };
}
