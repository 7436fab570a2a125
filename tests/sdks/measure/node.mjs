// The Node clients: openai, @anthropic-ai/sdk, ollama, ai. A line of JSON for each check, as checks.py has them.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { Ollama } from "ollama";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

const url = process.env.MANTA_URL, keyed = process.env.MANTA_KEYED_URL;
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
const ollama = new Ollama({ host: url });
const say = [{ role: "user", content: "Say hi." }], ask = [{ role: "user", content: "What is the weather in Paris?" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const person = { type: "object", properties: { name: { type: "string", maxLength: 12 }, age: { type: "integer", minimum: 0, maximum: 150 } }, required: ["name", "age"],
  additionalProperties: false };
const weather = { type: "function", function: { name: "weather", description: "The weather", parameters } };
const cold = { model: "smollm2", temperature: 0, max_tokens: 12 };
const last = "It rains in Paris.";

async function check(client, name, story) {
  let reason = "";
  try {
    const got = await story();
    if (!got) reason = `it gives ${JSON.stringify(got)}`;
  } catch (error) {
    reason = String(error);
  }
  console.log(JSON.stringify({ client, name, reason: reason.replace(/\s+/g, " ").slice(0, 300) }));
}
async function raised(kind, call) {
  try {
    await call();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`no ${kind.name} was raised`);
}

const OPENAI = "node openai 6.49.0";
const said = async (more) => (await openai.chat.completions.create({ ...cold, messages: say, ...more })).choices[0].message.content;
await check(OPENAI, "models", async () => (await openai.models.list()).data.some((m) => m.id === "smollm2"));
await check(OPENAI, "chat", async () => await said());
await check(OPENAI, "chat, streamed", async () => {
  let text = "";
  for await (const c of await openai.chat.completions.create({ ...cold, messages: say, stream: true })) text += c.choices[0]?.delta.content ?? "";
  return text === (await said());
});
await check(OPENAI, "chat, the client's own helper", async () => (await openai.chat.completions.stream({ ...cold, messages: say }).finalContent()) === (await said()));
await check(OPENAI, "aborted", async () => {
  const stream = await openai.chat.completions.create({ model: "plain", messages: say, stream: true });
  for await (const c of stream) if (c) break;
  return await said({ model: "plain" });
});
await check(OPENAI, "JSON by a schema", async () => JSON.parse(await said({ max_tokens: 200, response_format: { type: "json_schema", json_schema: { name: "p", schema: person } } })).name);
await check(OPENAI, "tools: a call", async () => {
  const answer = await openai.chat.completions.create({ model: "echo", messages: ask, tools: [weather] });
  return JSON.parse(answer.choices[0].message.tool_calls[0].function.arguments).city === "Paris";
});
await check(OPENAI, "tools: run by the client", async () => {
  const run = { type: "function", function: { ...weather.function, parse: JSON.parse, function: () => "rain" } };
  return (await openai.chat.completions.runTools({ model: "echo", messages: ask, tools: [run] }).finalContent()) === last;
});
await check(OPENAI, "completions", async () => (await openai.completions.create({ ...cold, prompt: ["The sea is", "One"] })).choices.length === 2);
await check(OPENAI, "embeddings", async () => (await openai.embeddings.create({ model: "all-minilm-l6-v2", input: ["a", "b"] })).data[1].embedding.length === 384);
await check(OPENAI, "responses", async () => (await openai.responses.create({ model: "smollm2", input: "Say hi.", max_output_tokens: 12 })).output_text);
await check(OPENAI, "responses, streamed", async () => (await openai.responses.stream({ model: "smollm2", input: "Say hi.", max_output_tokens: 12 }).finalResponse()).output_text);
await check(OPENAI, "a wrong key", async () => (await raised(OpenAI.AuthenticationError, () =>
  new OpenAI({ baseURL: `${keyed}/v1`, apiKey: "wrong", maxRetries: 0 }).models.list())).code === "invalid_api_key");
await check(OPENAI, "a model that is not there", async () => (await raised(OpenAI.NotFoundError, () => said({ model: "none" }))).code === "model_not_found");

const clock = { type: "function", function: { name: "clock", parameters: { type: "object", properties: { zone: { enum: ["UTC", "CET"] } }, required: ["zone"] } } };
await check(OPENAI, "tools: required, named, several, streamed", async () => {
  const forced = { model: "smollm2", temperature: 0, max_tokens: 200, messages: ask, tools: [weather, clock] };
  const any = await openai.chat.completions.create({ ...forced, tool_choice: "required" });
  const named = await openai.chat.completions.create({ ...forced, tool_choice: { type: "function", function: { name: "clock" } } });
  const both = await openai.chat.completions.stream({ model: "both", messages: ask, tools: [weather, clock] }).finalChatCompletion();
  return any.choices[0].message.tool_calls.length > 0 && named.choices[0].message.tool_calls[0].function.name === "clock" && both.choices[0].message.tool_calls.length === 2;
});
await check(OPENAI, "reasoning apart", async () => (await openai.chat.completions.create({ model: "thinking", messages: say })).choices[0].message.reasoning_content === "Paris, so France.");
await check(OPENAI, "resumed behind an event", async () => {
  let id = "", at = -1, text = "", rest = "";
  for await (const event of await openai.responses.create({ model: "plain", input: "Say hi.", stream: true })) {
    if (event.type === "response.created") id = event.response.id;
    if (event.type === "response.output_text.delta") text += event.delta;
    if (event.type === "response.output_text.delta" && at < 0) [at, rest] = [event.sequence_number, event.delta];
  }
  for await (const event of await openai.responses.retrieve(id, { stream: true, starting_after: at })) if (event.type === "response.output_text.delta") rest += event.delta;
  return rest === text && text.length > 0;
});

const ANTHROPIC = "node anthropic 1.14.0";
const short = { model: "smollm2", max_tokens: 12, messages: say };
await check(ANTHROPIC, "messages", async () => (await anthropic.messages.create(short)).content[0].text);
await check(ANTHROPIC, "a stream, and a call of a tool", async () => {
  const stream = anthropic.messages.stream({ model: "echo", max_tokens: 200, messages: ask, tools: [{ name: "weather", input_schema: parameters }] });
  return (await stream.finalMessage()).content.find((b) => b.type === "tool_use").input.city === "Paris";
});
await check(ANTHROPIC, "tools: any, a certain one, several", async () => {
  const tools = [weather, clock].map(({ function: f }) => ({ name: f.name, input_schema: f.parameters })), uses = (m) => m.content.filter((b) => b.type === "tool_use");
  const forced = { model: "smollm2", temperature: 0, max_tokens: 200, messages: ask, tools };
  const any = await anthropic.messages.create({ ...forced, tool_choice: { type: "any" } });
  const certain = await anthropic.messages.create({ ...forced, tool_choice: { type: "tool", name: "clock" } });
  const both = await anthropic.messages.create({ ...forced, model: "both" });
  return uses(any).length > 0 && uses(certain)[0].name === "clock" && uses(both).length === 2;
});
await check(ANTHROPIC, "thinking", async () => (await anthropic.messages.create({ ...short, model: "thinking", max_tokens: 200 })).content[0].thinking === "Paris, so France.");
await check(ANTHROPIC, "aborted", async () => {
  const stream = await anthropic.messages.create({ ...short, model: "plain", stream: true });
  for await (const event of stream) if (event) break;
  return (await anthropic.messages.create({ ...short, model: "plain" })).content[0].text;
});
await check(ANTHROPIC, "errors", async () => (await raised(Anthropic.NotFoundError, () => anthropic.messages.create({ ...short, model: "none" }))).requestID);

const OLLAMA = "node ollama 0.6.4";
await check(OLLAMA, "chat, streamed", async () => {
  let text = "";
  const more = { model: "smollm2", messages: say, options: { temperature: 0, num_predict: 12 } };
  for await (const p of await ollama.chat({ ...more, stream: true })) text += p.message.content;
  return text === (await ollama.chat(more)).message.content;
});
await check(OLLAMA, "tools, format", async () => {
  const called = await ollama.chat({ model: "echo", messages: ask, tools: [weather] });
  const formed = await ollama.chat({ model: "smollm2", messages: say, format: person, options: { num_predict: 200 } });
  return called.message.tool_calls[0].function.arguments.city === "Paris" && JSON.parse(formed.message.content).name;
});
await check(OLLAMA, "list, show, ps, embed", async () => (await ollama.list()).models.length > 1 && (await ollama.show({ model: "smollm2" })).capabilities && (await ollama.ps()).models &&
  (await ollama.embed({ model: "all-minilm-l6-v2", input: "a" })).embeddings[0].length === 384);
await check(OLLAMA, "errors", async () => (await raised(Error, () => ollama.chat({ model: "none", messages: say }))).message.includes("none"));

const AI = "node ai 6.0.326", sdk = { baseURL: `${url}/v1`, apiKey: "none" };
const models = { responses: createOpenAI(sdk), chats: { ...createOpenAI(sdk), call: createOpenAI(sdk).chat }, messages: createAnthropic(sdk) };
const of = (kind, name) => (kind === "chats" ? createOpenAI(sdk).chat(name) : models[kind](name));
const steps = (kind) => ({ model: of(kind, "echo"), prompt: ask[0].content, stopWhen: stepCountIs(3),
  tools: { weather: tool({ description: "The weather", inputSchema: jsonSchema(parameters), execute: () => "rain" }) } });
for (const kind of ["responses", "chats", "messages"])
  await check(AI, `${kind}: steps with a tool`, async () => (await generateText(steps(kind))).text === last);
await check(AI, "streamed", async () => {
  const answer = streamText({ model: of("responses", "smollm2"), prompt: "Say hi.", maxOutputTokens: 12 });
  let text = "";
  for await (const piece of answer.textStream) text += piece;
  return text;
});
await check(AI, "a tool that must be called, reasoning, an error, an abort", async () => {
  const forced = await generateText({ ...steps("chats"), model: of("chats", "smollm2"), toolChoice: { type: "tool", toolName: "weather" }, stopWhen: stepCountIs(1), maxOutputTokens: 200 });
  const stop = new AbortController(), cut = streamText({ model: of("responses", "plain"), prompt: "Say hi.", abortSignal: stop.signal, onError: () => {} });
  for await (const piece of cut.textStream) if (piece) stop.abort();
  const wrong = await raised(APICallError, () => generateText({ model: of("chats", "none"), prompt: "Say hi.", maxRetries: 0 }));
  return forced.toolCalls[0].toolName === "weather" && wrong.statusCode === 404 &&
    (await generateText({ model: of("messages", "thinking"), prompt: "Say hi." })).reasoningText === "Paris, so France.";
});
await check(AI, "an object", async () => (await generateObject({ model: of("chats", "smollm2"), prompt: "Ada is 36.", schema: jsonSchema(person), maxOutputTokens: 200 })).object.name);
await check(AI, "vectors", async () => (await embedMany({ model: createOpenAI(sdk).textEmbeddingModel("all-minilm-l6-v2"), values: ["a", "b"] })).embeddings[1].length === 384);
process.exit(0);
