// What Anthropic's Node client makes of a schema: its own parsing of an answer that is held to it. Prints one line; the exit status is 1 if it failed.
import Anthropic from "@anthropic-ai/sdk";
import { jsonSchemaOutputFormat } from "@anthropic-ai/sdk/helpers/json-schema";

const anthropic = new Anthropic({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const person = { type: "object", properties: { name: { type: "string", enum: ["Ada", "Alan"] }, age: { type: "integer" } }, required: ["name", "age"], additionalProperties: false };
const ask = { model: "smollm2", max_tokens: 100, messages: [{ role: "user", content: "Ada is 36. Who is she?" }], output_config: { format: jsonSchemaOutputFormat(person) } };

const whole = (await anthropic.messages.parse(ask)).parsed_output;
const streamed = JSON.parse((await anthropic.messages.stream(ask).finalMessage()).content[0].text);
const right = [whole, streamed].every((p) => person.properties.name.enum.includes(p.name) && Number.isInteger(p.age) && Object.keys(p).length === 2);
console.log(right ? "ok" : "FAILED", "anthropic: an answer by a schema", JSON.stringify([whole, streamed]));
process.exit(right ? 0 : 1);
