// Brings together when this page published a message and when it came back: both on the page's own clock.

/** Messages that are remembered: more than a minute of the most that this page publishes. */
const KEPT = 65_536;
/** Of those that may be others'. */
const EARLY = 1024;

type Take = (latency: number) => void;

export class Journal {
  #sent = new Map<string, number>();
  /** A message may well overtake the answer that names its id. */
  #early = new Map<string, [at: number, take: Take][]>();

  /** The message of this key was published by a request that began at `at`. The key is its id, or what this page has written into it. */
  sent(id: string, at: number): void {
    remember(this.#sent, id, at, KEPT);
    for (const [came, take] of this.#early.get(id) ?? []) take(came - at);
    this.#early.delete(id);
  }

  /** It has come; `take` hears how long it took, if it was this page's own. */
  came(id: string, at: number, take: Take): void {
    const sent = this.#sent.get(id);
    if (sent !== undefined) return take(at - sent);
    const others = this.#early.get(id);
    if (others) others.push([at, take]);
    else remember(this.#early, id, [[at, take]], EARLY);
  }
}

function remember<V>(map: Map<string, V>, id: string, value: V, most: number) {
  map.set(id, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}
