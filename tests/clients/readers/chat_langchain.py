"""Asks with LangChain: a question as JSON in each line of the input, and in each line of the output what has come and what was raised."""

import json
import sys

from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="gpt-4o", base_url=sys.argv[1], api_key="none", max_retries=0)
for line in sys.stdin:
    text, error = "", None
    try:
        for chunk in model.stream(json.loads(line)):
            text += chunk.content
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    print(json.dumps({"text": text, "error": error}), flush=True)
