// Where a client that comes back by the query says from where: in its own URL, in place of what stood there at first.

/** `url` with the resume point `last`; without one, unchanged. */
export function from(url, last) {
  if (!last) return url;
  const address = new URL(url);
  address.searchParams.set('last_event_id', last);
  return address.href;
}
