// Brings together when this page published a message and when it came back: both on the page's own clock.

/** Messages that are remembered; what is older came, or never will. */
const KEPT = 4096;

type Take = (latency: number) => void;

export class Journal {
  #sent = new Map<string, number>();
  /** A message may well overtake the answer that names its id. */
  #early = new Map<string, [at: number, take: Take][]>();

  /** The message of this id was published by a request that began at `at`. */
  sent(id: string, at: number): void {
    remember(this.#sent, id, at);
    for (const [came, take] of this.#early.get(id) ?? []) take(came - at);
    this.#early.delete(id);
  }

  /** It has come; `take` hears how long it took, if it was this page's own. */
  came(id: string, at: number, take: Take): void {
    const sent = this.#sent.get(id);
    if (sent !== undefined) return take(at - sent);
    const others = this.#early.get(id);
    if (others) others.push([at, take]);
    else remember(this.#early, id, [[at, take]]);
  }
}

function remember<V>(map: Map<string, V>, id: string, value: V) {
  map.set(id, value);
  if (map.size > KEPT) map.delete(map.keys().next().value!);
}
