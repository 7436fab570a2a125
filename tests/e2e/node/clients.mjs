// What the Node clients of the APIs get from a head. Prints one line per check; the exit status is the number of those that failed.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { Ollama } from "ollama";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";

const url = process.argv[2];
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
const ollama = new Ollama({ host: url });
const message = { model: "echo", max_tokens: 30, messages: [{ role: "user", content: "hi" }] };
const response = { model: "echo", input: "hi", max_output_tokens: 30 };
let failed = 0;

async function check(name, story) {
  try {
    if ((await story()) !== true) throw new Error("it is not as it should be");
    console.log("ok", name);
  } catch (error) {
    failed++;
    console.log("FAILED", name, String(error).slice(0, 500));
  }
}

await check("anthropic: an answer", async () => {
  const answer = await anthropic.messages.create(message);
  return answer.content[0].text.length > 10 && answer.stop_reason === "max_tokens" && answer.usage.output_tokens === 30;
});
await check("anthropic: a stream, gathered by the client", async () => {
  const answer = await anthropic.messages.stream(message).finalMessage();
  return answer.content[0].text.length > 10 && answer.usage.output_tokens === 30;
});
await check("anthropic: a stream that is aborted", async () => {
  const stream = anthropic.messages.stream({ ...message, max_tokens: 20000 });
  for await (const event of stream) if (event.type === "content_block_delta") break;
  stream.abort();
  return true;
});
await check("anthropic: counted tokens", async () => {
  return (await anthropic.messages.countTokens({ model: "echo", messages: message.messages })).input_tokens > 0;
});
await check("anthropic: a typed error", async () => {
  try {
    await anthropic.messages.create({ ...message, model: "none" });
  } catch (error) {
    return error instanceof Anthropic.NotFoundError && error.error.error.type === "not_found_error" && Boolean(error.requestID);
  }
});
await check("anthropic: models", async () => (await anthropic.models.list()).data[0].id === "echo");
await check("responses: an answer", async () => {
  const answer = await openai.responses.create(response);
  return answer.output_text.length > 10 && answer.status === "incomplete";
});
await check("responses: a stream, gathered by the client", async () => {
  const stream = openai.responses.stream(response);
  let deltas = 0;
  for await (const event of stream) deltas += event.type === "response.output_text.delta";
  return deltas > 10 && (await stream.finalResponse()).output_text.length > 10;
});
await check("responses: a conversation, its items, and its end", async () => {
  const first = await openai.responses.create(response);
  const second = await openai.responses.create({ ...response, input: "go on", previous_response_id: first.id });
  const items = await openai.responses.inputItems.list(first.id);
  await openai.responses.delete(first.id);
  return second.usage.input_tokens > first.usage.input_tokens && items.data[0].content[0].text === "hi" &&
    (await openai.responses.retrieve(second.id)).id === second.id;
});

const sdk = { baseURL: `${url}/v1`, apiKey: "none" };
const models = { responses: createOpenAI(sdk)("echo"), chat: createOpenAI(sdk).chat("echo"), messages: createAnthropic(sdk)("echo") };
for (const [name, model] of Object.entries(models)) {
  await check(`ai-sdk, ${name}: an answer`, async () => {
    const answer = await generateText({ model, prompt: "hi", maxOutputTokens: 30 });
    return answer.text.length > 10 && answer.finishReason === "length" && answer.usage.outputTokens === 30;
  });
  await check(`ai-sdk, ${name}: a stream`, async () => {
    const answer = streamText({ model, prompt: "hi", system: "be brief", maxOutputTokens: 30 });
    let text = "";
    for await (const piece of answer.textStream) text += piece;
    return text.length > 10 && (await answer.finishReason) === "length";
  });
}
await check("ollama: an answer, and a stream", async () => {
  const ask = { model: "echo", messages: message.messages, options: { num_predict: 30, seed: 1 } };
  const whole = await ollama.chat(ask);
  let text = "", last;
  for await (const part of await ollama.chat({ ...ask, stream: true })) text += part.message.content, last = part;
  return text === whole.message.content && text.length > 10 && last.done_reason === "length" && last.eval_count === 30 && last.total_duration > 0;
});
await check("ollama: a stream that is aborted", async () => {
  const stream = await ollama.generate({ model: "echo", prompt: "hi", stream: true });
  try {
    for await (const part of stream) if (part.response) stream.abort();
  } catch (error) { // unless all of it was there already
    if (error.name !== "AbortError") throw error;
  }
  return true;
});
await check("ollama: a typed error", async () => {
  try {
    await ollama.chat({ model: "none", messages: message.messages });
  } catch (error) {
    return error.name === "ResponseError" && error.status_code === 404 && error.error.includes("none");
  }
});
await check("ollama: models", async () => {
  const shown = await ollama.show({ model: "echo" });
  return (await ollama.list()).models[0].name === "echo:latest" && (await ollama.ps()).models.length === 1 && shown.capabilities.includes("tools");
});
process.exit(failed);
