// A clock that ticks on a channel of its own, so that all wires show a living stream when the page
// opens: messages, ids and latencies. It stops for good when the visitor publishes or chooses.

import { channel, clientId, isChannelChosen } from '../context/context.ts';
import { channelUrl, request } from '../context/gateway.ts';
import { t } from '../text/index.ts';
import { byId, setText } from './dom.ts';
import type { Publisher } from './publisher.ts';

const TICK_MS = 1000;

export class Clock {
  readonly #publisher: Publisher;
  #channel: string | null = null;
  #stopped = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #ticks = 0;
  #waiting = false;

  constructor(publisher: Publisher) {
    this.#publisher = publisher;
  }

  /** The channel to subscribe to beside that of the page; `null` unless the clock ticks. */
  get channel(): string | null {
    return this.#channel;
  }

  /**
   * Starts the clock unless a channel was chosen; resolves once it has ticked or was refused.
   * A page that nobody looks at publishes nothing.
   */
  async start(): Promise<void> {
    if (isChannelChosen()) this.stop();
    if (this.#stopped || this.#channel || document.hidden) return;
    const name = `clock-${shortHash(clientId())}`;
    const [refusal, isReadable] = await Promise.all([this.#tick(name), canRead(name)]);
    if (this.#stopped) return;
    if (refusal !== null || !isReadable) {
      const reason = refusal ?? t('its channel cannot be read');
      show(
        t(
          'No clock ticks here, because the gateway does not let this page publish: {reason}. The streams are idle until something is published to {channel}.',
          { reason, channel: channel() },
        ),
      );
      return;
    }
    this.#channel = name;
    this.#timer = setInterval(() => void this.#tickOn(name), TICK_MS);
    show(
      t('A clock ticks on the channel {clock} until you publish or choose a channel.', {
        clock: name,
      }),
    );
  }

  /** Stops the clock for good; from now on the URL names the channel, also after a reload. */
  stop(): void {
    this.#stopped = true;
    this.#channel = null;
    clearInterval(this.#timer);
    if (!isChannelChosen()) history.replaceState(null, '', `#${channel()}`);
    show(t('The streams show the channel {channel}.', { channel: channel() }));
  }

  async #tickOn(name: string) {
    if (document.hidden || this.#waiting) return;
    this.#waiting = true;
    await this.#tick(name);
    this.#waiting = false;
  }

  /** Publishes a tick; returns the reason if it is refused. */
  async #tick(name: string): Promise<string | null> {
    try {
      this.#ticks += 1;
      await this.#publisher.publishTo(name, t('tick {n}', { n: this.#ticks }));
      return null;
    } catch (error) {
      return (error as Error).message.replace(/\.$/, '');
    }
  }
}

function show(text: string) {
  setText(byId('clock'), text);
}

/** Whether the page may subscribe to a channel: a refusal would end its streams. */
async function canRead(name: string): Promise<boolean> {
  const url = channelUrl('history', name);
  url.searchParams.set('since', 'latest');
  return (await request(url))?.ok ?? false;
}

/** FNV-1a: `/channels` lists the name, which must not reveal the client id. */
function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (const character of text) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}
