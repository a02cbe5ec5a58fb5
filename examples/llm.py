#!/usr/bin/env python3
# Asks a model through the gateway with OpenAI's SDK (pip install openai). All listeners of CHANNEL receive the answer as well.
#
#   python3 examples/llm.py QUESTION [CHANNEL]
#
# API_KEY in the environment has the token or API key of the gateway, if it requires one; the key of the model stays with the gateway.
import os
import sys

import openai

GATEWAY = os.environ.get("TRICAST_URL", "http://127.0.0.1:8080")


def answer(question, channel):
    client = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=os.environ.get("API_KEY", "none"))
    stream = client.chat.completions.create(
        model=next(iter(client.models.list())).id,
        messages=[{"role": "user", "content": question}],
        stream=True,
        extra_headers={"Tricast-Channel": channel},
    )
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(f"usage: {sys.argv[0]} QUESTION [CHANNEL]")
    try:
        answer(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "chat")
    except openai.APIError as error:
        # Also for an answer that breaks off: the gateway says so in the stream.
        raise SystemExit(f"{type(error).__name__}: {error.message}")
