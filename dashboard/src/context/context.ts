// What the page works with: the channel of the URL's fragment, the client id, and the token.

const CLIENT_KEY = 'tricast.client';
const TOKEN_KEY = 'tricast.token';
/** Milliseconds for the original of a duplicated tab to answer. */
const DUPLICATE_TIMEOUT_MS = 300;

let client: string | undefined;

/**
 * Returns the client id of this tab; it survives a reload.
 * All wires use it, so that skip-self and the online counts see them as one client.
 */
export function clientId(): string {
  return client ?? adoptClientId(sessionStorage.getItem(CLIENT_KEY) ?? createClientId());
}

function adoptClientId(id: string): string {
  client = id;
  sessionStorage.setItem(CLIENT_KEY, id);
  return id;
}

// Not crypto.randomUUID, which exists only on https and localhost.
function createClientId(): string {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...random))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
}

/**
 * Makes the client id unique among the open tabs; call it before the first `clientId()`.
 * A duplicated tab starts with the id of its original, which keeps it; this tab takes another.
 */
export async function claimClientId(): Promise<void> {
  const stored = sessionStorage.getItem(CLIENT_KEY);
  const id = clientId();
  const tabs = new BroadcastChannel('tricast.tabs');
  const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
  if (stored && navigation?.type !== 'reload' && (await isInUse(id, tabs))) {
    adoptClientId(createClientId());
  }
  tabs.onmessage = ({ data }: MessageEvent<string>) => {
    if (data === `who: ${clientId()}`) tabs.postMessage(`mine: ${clientId()}`);
  };
}

/** Asks the other tabs whether one of them has this client id. */
function isInUse(id: string, tabs: BroadcastChannel): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), DUPLICATE_TIMEOUT_MS);
    tabs.onmessage = ({ data }: MessageEvent<string>) => {
      if (data !== `mine: ${id}`) return;
      clearTimeout(timer);
      resolve(true);
    };
    tabs.postMessage(`who: ${id}`);
  });
}

/** The syntax of channel names (PROTOCOL.md §1). A link can hold anything; only a name is used. */
const CHANNEL = /^~?([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|@[A-Za-z0-9_.@|:+=-]{1,127})$/;
const DEFAULT_CHANNEL = 'demo';

/** Returns the channel that the fragment names, so that a link to it can be saved and shared. */
export function channel(): string {
  return chosenChannel() ?? DEFAULT_CHANNEL;
}

/** Whether the URL names a channel. */
export function isChannelChosen(): boolean {
  return chosenChannel() !== null;
}

function chosenChannel(): string | null {
  try {
    const name = decodeURIComponent(location.hash.slice(1));
    return name.length <= 128 && CHANNEL.test(name) ? name : null;
  } catch {
    // An incomplete percent escape.
    return null;
  }
}

/** Returns the token that the user has entered; this tab keeps it over a reload. */
export function token(): string {
  return sessionStorage.getItem(TOKEN_KEY) ?? '';
}

export function setToken(entered: string): void {
  if (entered) sessionStorage.setItem(TOKEN_KEY, entered);
  else sessionStorage.removeItem(TOKEN_KEY);
}
