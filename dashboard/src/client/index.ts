// A client of Tricast for browsers: what a page needs to listen on any wire, and nothing else.

export { Connection, connect, type Options, type State } from './connection.js';
export type * from './document.js';
export { isMessage, parts } from './document.js';
