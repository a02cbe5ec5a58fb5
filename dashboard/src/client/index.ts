// A client of Tricast for browsers: what a page needs to listen on any wire, and nothing else.

export { connect, Connection, type Options, type State } from './connection.js';
export { isMessage, parts } from './document.js';
export type * from './document.js';
