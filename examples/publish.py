#!/usr/bin/env python3
# Publishes from a Python backend with only the standard library. A retry has the same id, so it cannot publish twice.
#
#   python3 examples/publish.py CHANNEL JSON [EVENT]
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

GATEWAY = os.environ.get("TRICAST_URL", "http://127.0.0.1:8080")


def publish(channel, data, event="message", attempts=3):
    query = urllib.parse.urlencode({"event": event, "id": uuid.uuid4().hex})
    request = urllib.request.Request(
        f"{GATEWAY}/publish/{urllib.parse.quote(channel)}?{query}",
        data=json.dumps(data).encode(),
        headers={"Content-Type": "application/json"},
    )
    for attempt in range(1, attempts + 1):
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            # A retry after a 4xx would be refused again.
            if error.code < 500 or attempt == attempts:
                raise SystemExit(f"{error.code}: {json.load(error).get('detail')}")
        except OSError:
            if attempt == attempts:
                raise
        time.sleep(0.2 * attempt)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(f"usage: {sys.argv[0]} CHANNEL JSON [EVENT]")
    print(json.dumps(publish(sys.argv[1], json.loads(sys.argv[2]), *sys.argv[3:4])))
