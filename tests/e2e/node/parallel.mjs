// What the AI SDK makes of two calls in one answer, whole and streamed. Prints one line per check; the exit status is the number of those that failed.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

const sdk = { baseURL: `${process.argv[2]}/v1`, apiKey: "none" };
const models = { responses: createOpenAI(sdk)("echo"), chat: createOpenAI(sdk).chat("echo"), messages: createAnthropic(sdk)("echo") };
let failed = 0;

const of = (name) => jsonSchema({ type: "object", properties: { [name]: { type: "string" } }, required: [name], additionalProperties: false });
const ask = (model, asked) => ({ model, prompt: "What is the weather in Paris, and how late is it?", stopWhen: stepCountIs(3), tools: {
  weather: tool({ description: "The weather", inputSchema: of("city"), execute: ({ city }) => (asked.push(city), "rain") }),
  clock: tool({ description: "The time", inputSchema: of("zone"), execute: ({ zone }) => (asked.push(zone), "noon") }) } });

function tell(name, right) {
  failed += !right;
  console.log(right ? "ok" : "FAILED", name);
}

for (const [name, model] of Object.entries(models)) {
  const asked = [], run = [], pieces = {};
  const answer = await generateText(ask(model, asked));
  tell(`ai-sdk, ${name}: two calls`, answer.text === "It rains." && answer.steps[0].toolCalls.length === 2 && asked.join() === "Paris,Central European Time");

  const streamed = streamText(ask(model, run));
  for await (const part of streamed.fullStream) if (part.type === "tool-input-delta") (pieces[part.id] ??= []).push(part.delta);
  const calls = (await streamed.steps)[0].toolCalls;
  tell(`ai-sdk, ${name}: two calls in pieces`, (await streamed.text) === "It rains." && run.join() === asked.join() &&
    calls.every((call) => pieces[call.toolCallId].length > 4 && JSON.stringify(call.input) === pieces[call.toolCallId].join("")));
}
process.exit(failed);
