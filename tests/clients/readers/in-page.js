// Runs inside Chromium: what a page has on board to read a stream, and one library, each with the loop a user would write.
// `take` and `fault` are put there by the test.
/* global take, fault */
const from = (url, last) => {
  const address = new URL(url);
  if (last) address.searchParams.set('last_event_id', last);
  return address.href;
};

const names = [
  ...['hello', 'gap', 'alive', 'goodbye'],
  ...['start', 'delta', 'snapshot', 'end'].map((name) => `llm.${name}`),
].map((name) => `tricast.${name}`);

globalThis.readers = {
  eventsource(url) {
    const source = new EventSource(url);
    for (const name of ['message', ...names]) {
      source.addEventListener(name, (event) => {
        const { id } = JSON.parse(event.data);
        if (id && event.lastEventId !== id) fault(`lastEventId ${event.lastEventId} on ${id}`);
        take(event.data);
      });
    }
    // With CLOSED the browser has given up for good.
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) fault('EventSource gave up'); };
  },

  async fetch(url) {
    for (let last = null; ; await new Promise((done) => setTimeout(done, 100))) {
      try {
        const response = await fetch(from(url, last));
        // What is refused is told in another way.
        if (!response.ok) continue;
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let rest = ''; ;) {
          const { value, done } = await reader.read();
          if (done) break;
          const lines = (rest + value).split('\n');
          rest = lines.pop();
          for (const line of lines.filter(Boolean)) {
            last = JSON.parse(line).id ?? last;
            take(line);
          }
        }
      } catch { /* cut: come back from the last whole line */ }
    }
  },

  xhr(url) {
    let last = null;
    const connect = () => {
      const request = new XMLHttpRequest();
      let seen = 0;
      request.open('GET', from(url, last));
      request.onreadystatechange = () => {
        if (request.readyState !== XMLHttpRequest.LOADING || request.status !== 200) return;
        const end = request.responseText.lastIndexOf('\n') + 1;
        for (const line of request.responseText.slice(seen, end).split('\n').filter(Boolean)) {
          last = JSON.parse(line).id ?? last;
          take(line);
        }
        seen = Math.max(seen, end);
      };
      request.onloadend = () => setTimeout(connect, 100);
      request.send();
    };
    connect();
  },

  websocket(url) {
    let last = null;
    const connect = () => {
      const socket = new WebSocket(from(url, last).replace('http', 'ws'));
      socket.onmessage = ({ data }) => {
        last = JSON.parse(data).id ?? last;
        take(data);
      };
      socket.onclose = () => setTimeout(connect, 100);
    };
    connect();
  },

  fetchEventSource(url) {
    globalThis.fetchEventSource(url, {
      onmessage({ data }) {
        if (data) take(data);
        else fault('an empty event');
      },
      onerror() { /* without a throw it comes back after the `retry:` of the stream */ },
      onclose() { fault('a cut looked like a clean end'); },
    });
  },
};
