// What the Node clients do when the queue is full: told 429 and when to come again, they come again. Prints one line per client; the exit status is the number that failed.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText } from "ai";

const url = process.argv[2], messages = [{ role: "user", content: "hi" }], maxRetries = 9;
let failed = 0;

// A client's story, with a fetch that remembers what it was told.
async function check(name, story) {
  const told = [];
  const fetch = async (...request) => {
    const response = await globalThis.fetch(...request);
    told.push(response.status);
    return response;
  };
  let text = "";
  try {
    text = await story(fetch);
  } catch (error) {
    text = "";
    console.log(String(error).slice(0, 500));
  }
  const right = text.length > 10 && told[0] === 429 && told.at(-1) === 200;
  failed += !right;
  console.log(right ? "ok" : "FAILED", name, told.join());
}

const sdk = (fetch) => ({ baseURL: `${url}/v1`, apiKey: "none", fetch });
await Promise.all([
  check("openai", async (fetch) => (await new OpenAI({ ...sdk(fetch), maxRetries }).chat.completions.create({ model: "echo", messages })).choices[0].message.content),
  check("anthropic", async (fetch) =>
    (await new Anthropic({ baseURL: url, apiKey: "none", maxRetries, fetch }).messages.create({ model: "echo", max_tokens: 30, messages })).content[0].text),
  check("ai-sdk", async (fetch) => (await generateText({ model: createOpenAI(sdk(fetch))("echo"), prompt: "hi", maxRetries })).text),
]);
process.exit(failed);
