// A client of Tricast for browsers: everything that a page needs to subscribe over any wire.

export { type Connection, connect, type Options, type State } from './connection.ts';
export type * from './document.ts';
export { isMessage, parseId } from './document.ts';
