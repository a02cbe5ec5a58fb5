"""Reads a stream with the decoder of OpenAI's SDK, which parses each event's data as JSON, and comes back after a cut."""

import json
import sys
import time

import httpx2
from openai import APIConnectionError, DefaultHttpxClient, Omit, OpenAI, Stream

url = sys.argv[1]
last_id = ""
# No read timeout: a quiet stream is not a broken one. The gateway has no keys, and takes none.
web = DefaultHttpxClient(trust_env=False, timeout=None)
client = OpenAI(base_url=url, api_key="none", http_client=web, max_retries=0)
while True:
    headers = {"Authorization": Omit(), **({"Last-Event-ID": last_id} if last_id else {})}
    options = {"headers": headers}
    try:
        for document in client.get(url, cast_to=object, options=options, stream=True, stream_cls=Stream[object]):
            last_id = document.get("id", last_id)
            print(json.dumps(document))
    # The SDK wraps what happens before the stream, and passes on what breaks it off.
    except (APIConnectionError, httpx2.TransportError) as error:
        print(f"cut: {error!r}", file=sys.stderr)
    time.sleep(0.1)
