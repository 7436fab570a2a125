#!/usr/bin/env bash
# manta with nothing but curl. Usage: examples/curl.sh
set -euo pipefail

url=${MANTA_URL:-http://127.0.0.1:8470}
ask() { curl --silent --show-error --fail-with-body ${MANTA_API_KEY:+-H "authorization: Bearer $MANTA_API_KEY"} -H 'content-type: application/json' "$@"; }
field() { python3 -c "import functools, json, sys; print(functools.reduce(lambda v, k: v[int(k) if k.isdigit() else k], sys.argv[1].split('.'), json.load(sys.stdin)))" "$1"; }

echo "== the models of the cluster"
model=$(ask "$url/v1/models" | field data.0.id)
echo "$model"

echo "== a plain answer"
ask "$url/v1/chat/completions" -d '{"messages":[{"role":"user","content":"Say hi."}],"max_tokens":20}' | field choices.0.message.content

echo "== the same as a stream: each event has an id"
events=$(ask "$url/v1/chat/completions" -d '{"messages":[{"role":"user","content":"Say hi."}],"max_tokens":20,"seed":1,"stream":true}')
grep -m 3 '^data' <<<"$events"

echo "== what came after its second event, as for a client whose connection broke there"
last=$(sed -n 's/^id: //p' <<<"$events" | sed -n 2p)
rest=$(ask "$url/v1/streams/$last")
grep -m 1 '^data' <<<"$rest"

echo "== JSON of a given shape"
ask "$url/v1/chat/completions" -d '{"messages":[{"role":"user","content":"A city, as JSON."}],"max_tokens":60,
  "response_format":{"type":"json_schema","json_schema":{"name":"city","schema":{"type":"object","properties":{"big":{"type":"boolean"}},"required":["big"],"additionalProperties":false}}}}' |
    field choices.0.message.content

echo "== Anthropic's API, at the same address"
ask "$url/v1/messages" -d '{"model":"'"$model"'","max_tokens":20,"messages":[{"role":"user","content":"Say hi."}]}' | field content.0.text

echo "== the cluster"
ask "$url/manta/status" | field workers
