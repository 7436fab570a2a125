"""A stream that survives its head: when the connection breaks, the same request goes out again with the id of the last event, to the same head or another one.

    python3 examples/resume.py "Write a poem about the sea."
    MANTA_URL=http://a:8470,http://b:8470 python3 examples/resume.py ...

Kill the head while it runs and start it again: the text continues where it stopped."""

import json
import os
import sys
import time
import urllib.error
import urllib.request

heads = os.environ.get("MANTA_URL", "http://127.0.0.1:8470").split(",")
body = json.dumps({"messages": [{"role": "user", "content": " ".join(sys.argv[1:]) or "Write a poem about the sea."}], "max_tokens": 200, "seed": 7, "stream": True}).encode()
last, tries = None, 0

while tries < 60:
    headers = {"content-type": "application/json"}
    if last:
        headers["last-event-id"] = last
    if os.environ.get("MANTA_API_KEY"):
        headers["authorization"] = f"Bearer {os.environ['MANTA_API_KEY']}"
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{heads[tries % len(heads)]}/v1/chat/completions", body, headers), timeout=60) as answer:
            for raw in answer:
                line = raw.decode().rstrip("\n")
                if line.startswith("id: "):
                    last = line[4:]
                elif line == "data: [DONE]":
                    print()
                    sys.exit(0)
                elif line.startswith("data: "):
                    event = json.loads(line[6:])
                    if "error" in event:
                        sys.exit(event["error"]["message"])
                    print(event["choices"][0]["delta"].get("content") or "" if event["choices"] else "", end="", flush=True)
    except urllib.error.HTTPError as refused:
        if refused.code < 500:
            sys.exit(refused.read().decode())
    except (OSError, json.JSONDecodeError):
        pass
    tries += 1
    time.sleep(1)
sys.exit("no head answered for a minute")
