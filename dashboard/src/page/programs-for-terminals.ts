// The programs of the Code section for a terminal: they need curl, or a standard library. Each but
// curl resumes: it keeps the last id that it has received, and reconnects until a goodbye says
// `never`.

import type { Urls } from './snippet-urls.ts';

export const curl = ({
  sse,
  chunked,
  publish,
}: Urls) => `# listen: JSON lines, or Server-Sent Events
curl -N '${chunked}'
curl -N '${sse}'
# publish
curl -H 'Content-Type: application/json' -d '{"hello":"world"}' '${publish}'
# curl ends when the connection is cut; the program under "Shell" resumes
`;

export const shell = ({ chunkedFrom }: Urls) => `#!/bin/sh
# Prints each message as a line of JSON, and resumes after the last id.
start='since=latest'
exec 3>&1
while [ -n "$start" ]; do
  start=$(curl -sSN '${chunkedFrom}'"$start" | {
    while IFS= read -r line; do
      case $line in
        '{"event":"tricast.goodbye"'*'"reconnect":"never"'*) start= ;;
        '{"id":"'*) id=\${line#'{"id":"'}; start="last_event_id=\${id%%'"'*}" ;;
      esac
      case $line in *'"data":'*) printf '%s\\n' "$line" >&3 ;; esac
    done
    printf %s "$start"
  })
  [ -z "$start" ] || sleep 1
done
`;

export const python = ({
  chunkedFrom,
}: Urls) => `import http.client, json, sys, time, urllib.error, urllib.request

start, pause = 'since=latest', 1
while pause is not None:
    try:
        # The gateway is never silent for longer than two heartbeats of 15 s.
        with urllib.request.urlopen('${chunkedFrom}' + start, timeout=40) as stream:
            for line in stream:
                if not line.endswith(b'\\n'):
                    break  # cut in the middle
                if not line.strip():
                    continue  # a heartbeat
                message = json.loads(line)
                if 'id' in message:
                    start = 'last_event_id=' + message['id']
                if 'data' in message:
                    print(message['id'], message['data'], flush=True)
                elif message['event'] == 'tricast.hello':
                    pause = 1
                elif message['event'] == 'tricast.gap':
                    print('lost:', message, file=sys.stderr)
                elif message['event'] == 'tricast.goodbye':
                    pause = {'now': 0, 'never': None}.get(
                        message['reconnect'], message.get('retry', 1000) / 1000)
    except urllib.error.HTTPError as refusal:
        if refusal.code != 429 and refusal.code < 500:
            sys.exit(refusal.read().decode())
    except (OSError, http.client.HTTPException) as cut:
        print('reconnecting:', cut, file=sys.stderr)
    time.sleep(pause or 0)
`;

export const go = ({ chunkedFrom }: Urls) => `package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"
)

var (
	start = "since=latest"
	pause = time.Second // before a reconnect; below 0: never
)

func main() {
	for pause >= 0 {
		if err := listen(); err != nil {
			log.Print(err)
		}
		time.Sleep(pause)
	}
}

func listen() error {
	response, err := http.Get("${chunkedFrom}" + start)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if status := response.StatusCode; status != 200 {
		if status != 429 && status < 500 {
			pause = -1
		}
		problem, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%s", problem)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		receive(lines.Bytes())
	}
	return lines.Err()
}

func receive(line []byte) {
	var message struct {
		ID, Event, Reconnect string
		Retry                time.Duration
		Data                 json.RawMessage
	}
	if json.Unmarshal(line, &message) != nil {
		return // a heartbeat, or cut in the middle
	}
	if message.ID != "" {
		start = "last_event_id=" + message.ID
	}
	switch message.Event {
	case "tricast.hello":
		pause = time.Second
	case "tricast.gap":
		log.Printf("lost: %s", line)
	case "tricast.goodbye":
		pause = message.Retry * time.Millisecond
		if message.Reconnect == "never" {
			pause = -1
		}
	}
	if message.Data != nil {
		fmt.Println(message.ID, string(message.Data))
	}
}
`;
