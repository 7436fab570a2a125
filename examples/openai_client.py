"""The official OpenAI client on manta. pip install openai"""

import json
import os

from openai import OpenAI

client = OpenAI(base_url=os.environ.get("MANTA_URL", "http://127.0.0.1:8470") + "/v1", api_key=os.environ.get("MANTA_API_KEY", "none"))
model = client.models.list().data[0].id

print("== chat with", model)
answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Say hi."}], max_tokens=20)
print(answer.choices[0].message.content)

print("== stream")
for chunk in client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Count to three."}], max_tokens=20, stream=True):
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()

print("== a tool that the model must call")
tools = [{"type": "function", "function": {"name": "weather", "description": "The weather in a city.",
                                           "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 30}}, "required": ["city"]}}}]
asked = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Is it raining in Paris?"}], tools=tools, tool_choice="required", max_tokens=200)
for call in asked.choices[0].message.tool_calls or []:
    print(call.function.name, json.loads(call.function.arguments))
