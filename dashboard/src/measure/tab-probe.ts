// Measures how long an event waits in this tab until the page handles it.

/** Milliseconds between two probes. They vary, so as not to keep in step with the page's timers. */
const MIN_INTERVAL_MS = 20;
const MAX_INTERVAL_MS = 40;

/** What a probe needs of the browser. */
export interface EventLoop {
  now(): number;
  /** Calls back after so many milliseconds; returns a function that prevents it. */
  after(ms: number, callback: () => void): () => void;
  /** Calls back in a task of its own, behind those that wait already. */
  queue(callback: () => void): void;
}

/**
 * Sets a timer and queues a task when it fires.
 * The time from when the timer was due to the end of the queue is what any other event would have
 * waited then: for the running task, and for its turn.
 */
export class TabProbe {
  /** The waiting times in ms. */
  readonly delays: number[] = [];
  readonly #loop: EventLoop;
  #cancel = () => {};
  #running = false;

  constructor(loop: EventLoop = browserLoop()) {
    this.#loop = loop;
  }

  start(): void {
    this.#running = true;
    this.#probe();
  }

  stop(): void {
    this.#running = false;
    this.#cancel();
  }

  #probe() {
    const interval = MIN_INTERVAL_MS + Math.random() * (MAX_INTERVAL_MS - MIN_INTERVAL_MS);
    const due = this.#loop.now() + interval;
    this.#cancel = this.#loop.after(interval, () => {
      this.#loop.queue(() => {
        if (!this.#running) return;
        this.delays.push(Math.max(0, this.#loop.now() - due));
        this.#probe();
      });
    });
  }
}

function browserLoop(): EventLoop {
  const channel = new MessageChannel();
  return {
    now: () => performance.now(),
    after(ms, callback) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
    queue(callback) {
      channel.port1.onmessage = callback;
      channel.port2.postMessage(null);
    },
  };
}
