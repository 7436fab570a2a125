// What the Node clients make of calls of tools. Prints one line per check; the exit status is the number of those that failed.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { Ollama } from "ollama";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

const url = process.argv[2];
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const messages = [{ role: "user", content: "What is the weather in Paris?" }];
let failed = 0;

async function check(name, story) {
  try {
    if ((await story()) !== true) throw new Error("it is not as it should be");
    console.log("ok", name);
  } catch (error) {
    failed++;
    console.log("FAILED", name, String(error.stack ?? error).slice(0, 700));
  }
}

await check("openai: a chat whose tools the client runs", async () => {
  const asked = [];
  const weather = { type: "function", function: { name: "weather", description: "The weather", parameters, parse: JSON.parse,
    function: ({ city }) => (asked.push(city), "rain") } };
  const text = await openai.chat.completions.runTools({ model: "echo", messages, tools: [weather] }).finalContent();
  const streamed = await openai.chat.completions.runTools({ model: "echo", messages, tools: [weather], stream: true }).finalContent();
  return text === "It rains." && streamed === text && asked.join() === "Paris,Paris";
});
await check("anthropic: a message, a stream gathered by the client, and results", async () => {
  const ask = { model: "echo", max_tokens: 500, messages, tools: [{ name: "weather", input_schema: parameters }] };
  const whole = await anthropic.messages.create(ask);
  const streamed = await anthropic.messages.stream(ask).finalMessage();
  const use = streamed.content.find((block) => block.type === "tool_use");
  const again = await anthropic.messages.create({ ...ask, messages: [...messages, { role: "assistant", content: streamed.content },
    { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: "rain" }] }] });
  return whole.stop_reason === "tool_use" && use.input.city === "Paris" && again.content[0].text === "It rains." && again.stop_reason === "end_turn";
});
await check("responses: a stream gathered by the client, and outputs", async () => {
  const ask = { model: "echo", input: messages, tools: [{ type: "function", name: "weather", parameters, strict: true }] };
  const first = await openai.responses.stream(ask).finalResponse();
  const call = first.output.find((item) => item.type === "function_call");
  const again = await openai.responses.create({ ...ask, previous_response_id: first.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "rain" }] });
  return JSON.parse(call.arguments).city === "Paris" && again.output_text === "It rains.";
});

await check("ollama: a call, streamed and whole, and its result", async () => {
  const ollama = new Ollama({ host: url });
  const ask = { model: "echo", messages, tools: [{ type: "function", function: { name: "weather", description: "The weather", parameters } }] };
  const whole = await ollama.chat(ask), calls = [];
  for await (const part of await ollama.chat({ ...ask, stream: true })) calls.push(...(part.message.tool_calls ?? []));
  const again = await ollama.chat({ ...ask, messages: [...messages, whole.message, { role: "tool", tool_name: "weather", content: "rain" }] });
  return calls.length === 1 && calls[0].function.arguments.city === "Paris" && whole.message.tool_calls[0].function.name === "weather" &&
    again.message.content === "It rains.";
});

const sdk = { baseURL: `${url}/v1`, apiKey: "none" };
const models = { responses: createOpenAI(sdk)("echo"), chat: createOpenAI(sdk).chat("echo"), messages: createAnthropic(sdk)("echo") };
for (const [name, model] of Object.entries(models)) {
  const asked = [];
  const weather = tool({ description: "The weather", inputSchema: jsonSchema(parameters), execute: ({ city }) => (asked.push(city), "rain") });
  const ask = { model, prompt: "What is the weather in Paris?", tools: { weather }, stopWhen: stepCountIs(3) };
  await check(`ai-sdk, ${name}: steps with a tool`, async () => {
    const answer = await generateText(ask);
    return answer.text === "It rains." && answer.steps.length === 2 && asked.join() === "Paris";
  });
  await check(`ai-sdk, ${name}: the same as streams`, async () => {
    const answer = streamText(ask);
    for await (const piece of answer.textStream) void piece;
    return (await answer.text) === "It rains." && asked.join() === "Paris,Paris";
  });
}
process.exit(failed);
