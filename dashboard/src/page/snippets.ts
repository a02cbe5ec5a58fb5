// Programs to copy that subscribe to the channel of the page. They need only a standard library.

import { token } from '../context/context.ts';
import { channelUrl } from '../context/gateway.ts';
import { t } from '../text/index.ts';
import { button, byId, setText } from './dom.ts';

type Urls = Record<'sse' | 'chunked' | 'ws' | 'publish', string>;

const SNIPPETS = {
  curl: ({ chunked, sse, publish }: Urls) => `# listen: JSON lines, or Server-Sent Events
curl -N '${chunked}'
curl -N '${sse}'
# publish
curl -H 'Content-Type: application/json' -d '{"hello":"world"}' '${publish}'
`,
  EventSource: ({ sse }: Urls) => `const source = new EventSource('${sse}');
source.onmessage = (event) => {
  const message = JSON.parse(event.data);
  console.log(message.id, message.data);
};
// It reconnects by itself and resumes after the last id; the gateway reports lost messages.
source.addEventListener('tricast.gap', (event) => console.warn('lost', event.data));
`,
  fetch: ({ chunked }: Urls) => `const response = await fetch('${chunked}');
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
  WebSocket: ({ ws }: Urls) => `const socket = new WebSocket('${ws}', 'tricast.v1.json');
socket.onopen = () => socket.send(JSON.stringify({ data: { hello: 'world' } }));
socket.onmessage = (event) => {
  const message = JSON.parse(event.data);
  if ('data' in message) console.log(message.id, message.data);
};
`,
  Python: ({ chunked }: Urls) => `import json, urllib.request

with urllib.request.urlopen('${chunked}') as stream:
    for line in stream:
        if line.strip():  # else a heartbeat
            message = json.loads(line)
            if 'data' in message:
                print(message['id'], message['data'], flush=True)
`,
  Go: ({ chunked }: Urls) => `package main

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
} satisfies Record<string, (urls: Urls) => string>;

type SnippetName = keyof typeof SNIPPETS;

let chosen: SnippetName = 'curl';

export function setUpSnippets(): void {
  const names = Object.keys(SNIPPETS) as SnippetName[];
  byId('languages').replaceChildren(...names.map(createTab));
  byId('copy').addEventListener('click', () => void copySnippet());
  showSnippet();
}

function createTab(name: SnippetName): HTMLButtonElement {
  const tab = button(name, () => {
    chosen = name;
    showSnippet();
  });
  tab.dataset.name = name;
  return tab;
}

/** Shows the chosen snippet for the current channel. */
export function showSnippet(): void {
  for (const tab of byId('languages').querySelectorAll('button')) {
    tab.setAttribute('aria-pressed', String(tab.dataset.name === chosen));
  }
  setText(byId('snippet'), SNIPPETS[chosen](snippetUrls()));
}

function snippetUrls(): Urls {
  return {
    sse: snippetUrl('sse'),
    chunked: snippetUrl('chunked'),
    ws: snippetUrl('ws'),
    publish: snippetUrl('publish'),
  };
}

function snippetUrl(endpoint: keyof Urls): string {
  const url = channelUrl(endpoint);
  if (endpoint === 'ws') url.protocol = url.protocol.replace('http', 'ws');
  // A placeholder, so that nobody copies the token by accident.
  if (token()) url.searchParams.set('token', 'TOKEN');
  return url.href;
}

async function copySnippet() {
  const snippet = byId('snippet');
  const outcome = byId('copied');
  try {
    // Browsers have a clipboard only on https and localhost.
    await navigator.clipboard.writeText(snippet.textContent ?? '');
    outcome.textContent = t('copied');
  } catch {
    getSelection()?.selectAllChildren(snippet);
    outcome.textContent = t('selected: copy it with the keyboard');
  }
}
