"""LangChain on manta. pip install langchain-openai"""

import os

from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

model = ChatOpenAI(model=os.environ.get("MANTA_MODEL_NAME", "smollm2"), base_url=os.environ.get("MANTA_URL", "http://127.0.0.1:8470") + "/v1",
                   api_key=os.environ.get("MANTA_API_KEY", "none"), max_tokens=60)

print("== a chain")
chain = ChatPromptTemplate.from_messages([("system", "You answer in one sentence."), ("user", "{question}")]) | model
print(chain.invoke({"question": "Why is the sky blue?"}).content)

print("== a stream")
for chunk in model.stream("Count to three."):
    print(chunk.content, end="", flush=True)
print()


class Weather(BaseModel):
    rain: bool


print("== an object of a class")
print(model.with_structured_output(Weather, method="json_schema").invoke("Is it raining? It is."))
