"""Asks with OpenAI's SDK: a question as JSON in each line of the input, and in each line of the output what has come and what was raised."""

import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
for line in sys.stdin:
    text, error = "", None
    messages = [{"role": "user", "content": json.loads(line)}]
    try:
        for chunk in client.chat.completions.create(model="gpt-4o", messages=messages, stream=True):
            text += chunk.choices[0].delta.content or ""
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    print(json.dumps({"text": text, "error": error}), flush=True)
