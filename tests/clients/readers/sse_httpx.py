"""Reads a stream with httpx-sse as its users do: prints each event as a line of JSON, and comes back after a cut."""

import json
import sys
import time

import httpx
from httpx_sse import connect_sse

url = sys.argv[1]
last_id = ""
retry = 1.0
# No read timeout: a quiet stream is not a broken one.
with httpx.Client(timeout=httpx.Timeout(5, read=None), trust_env=False) as client:
    while True:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        try:
            with connect_sse(client, "GET", url, headers=headers) as source:
                source.response.raise_for_status()
                for event in source.iter_sse():
                    last_id = event.id or last_id
                    retry = event.retry / 1000 if event.retry is not None else retry
                    print(json.dumps({"id": event.id, "event": event.event, "data": event.data}))
        except httpx.TransportError as error:
            print(f"cut: {error!r}", file=sys.stderr)
        time.sleep(retry)
