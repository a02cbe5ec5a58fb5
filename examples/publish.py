#!/usr/bin/env python3
# Publishes from a Python backend with only the standard library. A retry has the same id, so it cannot publish twice.
#
#   python3 examples/publish.py CHANNEL JSON [EVENT]
#
# API_KEY in the environment has the API key or token, if the gateway requires one (`tricast key`).
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

GATEWAY = os.environ.get("TRICAST_URL", "http://127.0.0.1:8080")
API_KEY = os.environ.get("API_KEY")
AUTHORIZATION = {"Authorization": f"Bearer {API_KEY}"} if API_KEY else {}


def publish(channel, text, event="message", attempts=3):
    """Publishes JSON as it is written: parsing it and writing it again could change numbers."""
    query = urllib.parse.urlencode({"event": event, "id": uuid.uuid4().hex})
    request = urllib.request.Request(
        f"{GATEWAY}/publish/{urllib.parse.quote(channel)}?{query}",
        data=text.encode(),
        headers={"Content-Type": "application/json", **AUTHORIZATION},
    )
    for attempt in range(1, attempts + 1):
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            # A retry after a 4xx would be refused again.
            if error.code < 500 or attempt == attempts:
                raise SystemExit(f"{error.code}: {reason(error)}")
        except OSError as error:
            if attempt == attempts:
                raise SystemExit(f"no answer from {GATEWAY}: {error}")
        time.sleep(0.2 * attempt)


def reason(error):
    try:
        return json.load(error)["detail"]
    except (ValueError, KeyError, TypeError):
        # A proxy in front of the gateway may refuse without a problem document.
        return error.reason


def main():
    if len(sys.argv) < 3:
        print(f"usage: {sys.argv[0]} CHANNEL JSON [EVENT]", file=sys.stderr)
        raise SystemExit(2)
    try:
        json.loads(sys.argv[2])
    except ValueError as error:
        raise SystemExit(f"not JSON ({error}); a text needs quotes of its own, as in '\"hello\"'")
    print(json.dumps(publish(*sys.argv[1:4])))


if __name__ == "__main__":
    main()
