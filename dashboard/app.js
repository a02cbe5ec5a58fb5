// Runs the page at `/`: opens one channel over each wire with what a browser has on board, and shows what comes out.
const rowsKept = 200;
const $ = (id) => document.getElementById(id);

// One id for this tab, kept across reloads: skip-self and the online count see one client on three wires.
// Not crypto.randomUUID: that exists only on https and localhost.
const client = sessionStorage.getItem('tricast.client')
  ?? btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(12)))).replaceAll('+', '-').replaceAll('/', '_');
sessionStorage.setItem('tricast.client', client);

let channel = '';
// Relative to the page, so that it works under any base_path.
const address = (path) => new URL(`${path}/${encodeURIComponent(channel)}`, document.baseURI.split('#')[0]);

function stream(wire, last) {
  const url = address(wire);
  url.search = new URLSearchParams({ client, online: 'true', ...(last && { last_event_id: last }) });
  if (wire === 'ws') url.protocol = url.protocol.replace('http', 'ws');
  return url;
}

const seq = (id) => Number(id.split('-')[1]);

function element(name, className, ...children) {
  const made = Object.assign(document.createElement(name), { className });
  made.append(...children);
  return made;
}

// What the three wires share: the document is the same on each of them.
class Panel {
  constructor(wire, title, how, open) {
    this.root = $('panel').content.firstElementChild.cloneNode(true);
    this.root.classList.add(wire);
    [this.list, this.toggle] = ['.messages', '.toggle'].map((part) => this.root.querySelector(part));
    this.root.querySelector('h2').textContent = title;
    this.root.querySelector('.how').textContent = how;
    this.list.ariaLabel = `Messages over ${title}`;
    this.toggle.addEventListener('click', () => (this.close ? this.stop('disconnected') : this.start()));
    Object.assign(this, { title, open });
    $('panels').append(this.root);
  }

  reset() {
    this.stop('disconnected');
    this.list.replaceChildren();
    Object.assign(this, { last: null, count: 0 });
    for (const [field, value] of [['client', '–'], ['last', '–'], ['count', 0], ['online', '–']]) this.set(field, value);
  }

  start() {
    this.state('connecting', 'Disconnect');
    this.close = this.open(this);
  }

  stop(state) {
    this.close?.();
    this.close = null;
    this.state(state, 'Connect');
  }

  refused(why) {
    this.notice(why, 'bad');
    this.stop('refused');
  }

  state(state, action = 'Disconnect') {
    this.root.dataset.state = this.root.querySelector('.state').textContent = state;
    this.toggle.textContent = action;
    this.toggle.ariaLabel = `${action} ${this.title}`;
  }

  set(field, value) {
    const cell = this.root.querySelector(`[data-field=${field}]`);
    cell.textContent = cell.title = value;
  }

  take(message) {
    const before = this.last;
    if (message.id) this.set('last', (this.last = message.id));
    switch (message.event) {
      case 'tricast.hello':
        Object.assign(this, { failures: 0, goodbye: null });
        this.state('live');
        this.set('client', message.client);
        this.set('online', message.online[channel]);
        if (message.recovered) this.notice(`resumed after ${message.id}`);
        break;
      case 'tricast.gap':
        this.notice(message.first === null ? 'gap: the gateway began a new log'
          : `gap: ${message.first} to ${message.last} ${message.certain ? 'lost' : 'may be lost'}`, 'bad');
        break;
      case 'tricast.online':
        this.set('online', message.users);
        countSoon();
        break;
      case 'tricast.goodbye':
        this.goodbye = message;
        this.notice(`goodbye: ${message.reason}, come back ${message.reconnect}`, 'bad');
        if (message.reconnect === 'never') this.stop(message.reason);
        break;
      default:
        this.set('count', ++this.count);
        this.set('online', message.online);
        this.row(message);
        learn(message.event, before);
    }
  }

  row(message) {
    const text = typeof message.data === 'string' ? message.data
      : JSON.stringify(message.data, null, 1).replace(/\n\s*/g, ' ');
    const tags = [message.event !== 'message' && message.event, message.encoding, message.end && 'end'].filter(Boolean);
    const row = element('li', 'message', element('span', 'seq', seq(message.id)),
      ...tags.map((tag) => element('span', 'tag', tag)), element('span', 'data', text),
      element('time', '', new Date(message.time).toLocaleTimeString([], { hour12: false })));
    row.dataset.id = row.title = message.id;
    this.push(row);
  }

  /** Forgets what came after `id`, to read it once more. */
  rewind(id) {
    if (!id || (this.last && seq(this.last) <= seq(id))) return;
    this.last = id;
    const rows = [...this.list.querySelectorAll('.message')].filter((row) => seq(row.dataset.id) > seq(id));
    this.set('count', (this.count -= rows.length));
    for (const row of rows) row.remove();
  }

  notice(text, tone = '') { this.push(element('li', `notice ${tone}`, text)); }

  push(row) {
    this.list.prepend(row);
    if (this.list.children.length > rowsKept) this.list.lastElementChild.remove();
  }
}

// An EventSource hears only the event names it was told, so it is told each name that shows up anywhere on this page.
const names = new Set(['message', 'tricast.hello', 'tricast.gap', 'tricast.online', 'tricast.goodbye']);
function learn(name, before) {
  if (names.has(name)) return;
  names.add(name);
  if (!sse.close) return;
  // Opened again from before the message that brought the new name, it gets that one too.
  sse.close();
  sse.rewind(before);
  sse.notice(`now listens for the event “${name}” too`);
  sse.close = sse.open(sse);
}

function openEventSource(panel) {
  const source = new EventSource(stream('sse', panel.last));
  for (const name of names) source.addEventListener(name, (event) => panel.take(JSON.parse(event.data)));
  source.onerror = () => (source.readyState === EventSource.CLOSED ? panel.refused('refused for good')
    : panel.state('reconnecting'));
  return () => source.close();
}

// fetch and WebSocket do not come back by themselves: this loop does, from the last id that arrived.
function keepOpen(once) {
  return (panel) => {
    const cancel = new AbortController();
    (async () => {
      while (!cancel.signal.aborted) {
        await once(panel, cancel.signal).catch((problem) => problem.final && panel.refused(problem.message));
        if (cancel.signal.aborted) return;
        panel.state('reconnecting');
        panel.failures = (panel.failures ?? 0) + 1;
        const pause = panel.goodbye?.reconnect === 'now' ? 0
          : panel.goodbye?.retry ?? Math.min(10_000, 250 * 2 ** panel.failures) * (0.5 + Math.random() / 2);
        await new Promise((done) => setTimeout(done, pause));
      }
    })();
    return () => cancel.abort();
  };
}

async function readLines(panel, signal) {
  const response = await fetch(stream('chunked', panel.last), { signal });
  if (!response.ok) {
    const problem = await response.json();
    throw Object.assign(new Error(problem.detail), { final: response.status < 500 });
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ''; ;) {
    const { value, done } = await reader.read();
    if (done || signal.aborted) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) if (line) panel.take(JSON.parse(line));
  }
}

function readFrames(panel, signal) {
  return new Promise((done) => {
    const socket = new WebSocket(stream('ws', panel.last));
    socket.onmessage = (event) => panel.take(JSON.parse(event.data));
    socket.onclose = done;
    signal.addEventListener('abort', () => { socket.onmessage = null; socket.close(); });
  });
}

const sse = new Panel('sse', 'SSE', 'EventSource, reconnects by itself', openEventSource);
const panels = [sse,
  new Panel('chunked', 'Chunked', 'fetch and getReader, JSON lines', keepOpen(readLines)),
  new Panel('ws', 'WebSocket', 'one text frame for each message', keepOpen(readFrames))];

let counting;
function countSoon() {
  counting ??= setTimeout(async () => {
    counting = null;
    const online = await fetch(address('online')).then((response) => response.ok && response.json(), () => null);
    if (online) for (const cell of document.querySelectorAll('#online dd')) {
      cell.textContent = (online.wires[cell.dataset.wire] ?? online).users;
    }
  }, 100);
}

// The channel stands in the fragment, so that a link to it can be kept and shared.
function listen() {
  $('channel').value = decodeURIComponent(location.hash.slice(1)) || 'demo';
  if (!$('channel').reportValidity()) return;
  channel = $('channel').value;
  // curl takes an address without a scheme as http.
  const [from, to] = ['sse', 'publish'].map((path) => address(path).href.replace(/^http:\/\//, ''));
  $('shell').textContent = `curl -N ${from}\ncurl -d hello ${to}`;
  for (const panel of panels) { panel.reset(); panel.start(); }
  countSoon();
}
addEventListener('hashchange', listen);
$('listen').addEventListener('submit', (event) => {
  event.preventDefault();
  location.hash = $('channel').value;
});

$('data').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $('publish').requestSubmit();
});
$('publish').addEventListener('submit', async (event) => {
  event.preventDefault();
  const url = address('publish');
  const name = $('event').value;
  if (name) { learn(name); url.searchParams.set('event', name); }
  if ($('skip').checked) { url.searchParams.set('skip_self', 'true'); url.searchParams.set('client', client); }
  const headers = { 'Content-Type': event.target.elements.kind.value };
  const answer = await fetch(url, { method: 'POST', headers, body: $('data').value })
    .then((response) => response.json()).catch((error) => ({ detail: String(error) }));
  $('outcome').className = answer.id ? 'good' : 'bad';
  $('outcome').textContent = answer.id
    ? `Published ${answer.id} to ${answer.subscribers} subscriber${answer.subscribers === 1 ? '' : 's'}` : answer.detail;
  if (answer.id) $('data').value = '';
});

listen();
