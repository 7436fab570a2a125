// The official OpenAI client for Node on manta. npm install openai
import OpenAI from "openai";

const client = new OpenAI({baseURL: `${process.env.MANTA_URL || "http://127.0.0.1:8470"}/v1`, apiKey: process.env.MANTA_API_KEY || "none"});
const model = (await client.models.list()).data[0].id;

console.log("== chat with", model);
const answer = await client.chat.completions.create({model, messages: [{role: "user", content: "Say hi."}], max_tokens: 20});
console.log(answer.choices[0].message.content);

console.log("== stream");
const stream = await client.chat.completions.create({model, messages: [{role: "user", content: "Count to three."}], max_tokens: 20, stream: true});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content || "");
console.log();
