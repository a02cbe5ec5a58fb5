// Programs to copy that listen to the page's channel, and publish to it: with nothing but what each language brings along.

import { address, token } from '../context/context.js';
import { t } from '../text/index.js';
import { button, byId, show } from './dom.js';

type Where = Record<'sse' | 'chunked' | 'ws' | 'publish', string>;

/** None of them needs more than what its language brings along. */
const SNIPPETS: Record<string, (at: Where) => string> = {
  curl: ({ chunked, sse, publish }) => `# listen: JSON lines, or Server-Sent Events
curl -N '${chunked}'
curl -N '${sse}'
# publish
curl -H 'Content-Type: application/json' -d '{"hello":"world"}' '${publish}'
`,
  EventSource: ({ sse }) => `const source = new EventSource('${sse}');
source.onmessage = (event) => {
  const message = JSON.parse(event.data);
  console.log(message.id, message.data);
};
// It reconnects by itself and resumes after the last id; the gateway reports lost messages.
source.addEventListener('tricast.gap', (event) => console.warn('lost', event.data));
`,
  fetch: ({ chunked }) => `const response = await fetch('${chunked}');
const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
let rest = '';
for (;;) {
  const { value, done } = await reader.read();
  if (done) break;
  const lines = (rest + value).split('\\n');
  rest = lines.pop();
  for (const line of lines) {
    if (!line) continue; // a heartbeat
    const message = JSON.parse(line);
    if ('data' in message) console.log(message.id, message.data);
  }
}
`,
  WebSocket: ({ ws }) => `const socket = new WebSocket('${ws}', 'tricast.v1.json');
socket.onopen = () => socket.send(JSON.stringify({ data: { hello: 'world' } }));
socket.onmessage = (event) => {
  const message = JSON.parse(event.data);
  if ('data' in message) console.log(message.id, message.data);
};
`,
  Python: ({ chunked }) => `import json, urllib.request

with urllib.request.urlopen('${chunked}') as stream:
    for line in stream:
        if line.strip():  # else a heartbeat
            message = json.loads(line)
            if 'data' in message:
                print(message['id'], message['data'], flush=True)
`,
  Go: ({ chunked }) => `package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
)

func main() {
	answer, err := http.Get("${chunked}")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var message struct {
			ID   string
			Data json.RawMessage
		}
		if json.Unmarshal(lines.Bytes(), &message) == nil && message.Data != nil {
			fmt.Println(message.ID, string(message.Data))
		}
	}
}
`,
};

let chosen = 'curl';

/** Makes the tabs and the copying work. */
export function setUpSnippets(): void {
  const tabs = byId('languages');
  tabs.replaceChildren(
    ...Object.keys(SNIPPETS).map((name) => {
      const tab = button(name, () => {
        chosen = name;
        showSnippet();
      });
      tab.dataset['name'] = name;
      return tab;
    }),
  );
  byId('copy').addEventListener('click', () => void copy());
  showSnippet();
}

/** Shows the chosen one for the channel as it is now. */
export function showSnippet(): void {
  for (const tab of byId('languages').querySelectorAll('button'))
    tab.setAttribute('aria-pressed', String(tab.dataset['name'] === chosen));
  show(byId('snippet'), SNIPPETS[chosen]!(where()));
}

function where(): Where {
  const at = (path: string) => {
    const url = address(path);
    if (path === 'ws') url.protocol = url.protocol.replace('http', 'ws');
    // The token itself is nobody's to copy by accident.
    if (token()) url.searchParams.set('token', 'TOKEN');
    return url.href;
  };
  return { sse: at('sse'), chunked: at('chunked'), ws: at('ws'), publish: at('publish') };
}

async function copy() {
  const text = byId('snippet');
  const outcome = byId('copied');
  try {
    // Browsers offer this only on https and localhost.
    await navigator.clipboard.writeText(text.textContent ?? '');
    outcome.textContent = t('copied');
  } catch {
    getSelection()?.selectAllChildren(text);
    outcome.textContent = t('selected: copy it with the keyboard');
  }
}
