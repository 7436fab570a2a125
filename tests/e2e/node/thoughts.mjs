// What the AI SDK and OpenAI's client show of a thought when they ask /v1/responses for a summary of it. Each check prints a line.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { z } from "zod";

const base = `${process.argv[2]}/v1`, prompt = "What is the weather in Paris?", THOUGHT = "Paris, so France.";
const openai = new OpenAI({ baseURL: base, apiKey: "none" });
const ask = (more = {}) => ({
  model: createOpenAI({ baseURL: base, apiKey: "none" }).responses("echo"), prompt, stopWhen: stepCountIs(3),
  providerOptions: { openai: { reasoningSummary: "auto", forceReasoning: true, ...more } },
  tools: { weather: tool({ inputSchema: z.object({ city: z.string() }), execute: async () => "rain" }) },
});

async function check(name, run) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (e) {
    console.log(`no ${name}: ${e.message.split("\n").slice(0, 9).join(" | ")}`);
  }
}

for (const store of [true, false])
  await check(`ai-sdk: whole, and sent back with the call, store ${store}`, async () => {
    const answer = await generateText(ask({ store }));
    assert.deepEqual([answer.steps.length, answer.steps[0].reasoningText, answer.text], [2, THOUGHT, "It rains."]);
  });
await check("ai-sdk: streamed", async () => {
  let thought = "";
  const answer = streamText(ask());
  for await (const part of answer.fullStream) if (part.type === "reasoning-delta") thought += part.text;
  assert.deepEqual([thought, await answer.text], [THOUGHT, "It rains."]);
});
await check("openai: gathered", async () => {
  const tools = [{ type: "function", name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } }];
  const answer = await openai.responses.stream({ model: "echo", input: prompt, tools, reasoning: { summary: "auto" } }).finalResponse();
  assert.deepEqual(answer.output[0].summary, [{ type: "summary_text", text: THOUGHT }]);
});
