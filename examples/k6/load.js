// A load test: k6 run examples/k6/load.js
// 50 clients ask for short answers for a minute. It fails when more than 1 % of them end with an error, or the first byte is late.
import http from "k6/http";
import {check} from "k6";

const url = __ENV.MANTA_URL || "http://127.0.0.1:8470";
const key = __ENV.MANTA_API_KEY;

export const options = {
  vus: Number(__ENV.CLIENTS || 50),
  duration: __ENV.DURATION || "1m",
  thresholds: {http_req_failed: ["rate<0.01"], http_req_waiting: ["p(95)<10000"]},
};

export default function () {
  const body = JSON.stringify({messages: [{role: "user", content: `Question ${__VU}-${__ITER}: why is the sky blue?`}], max_tokens: 32, stream: true});
  const headers = {"content-type": "application/json", ...(key ? {authorization: `Bearer ${key}`} : {})};
  const answer = http.post(`${url}/v1/chat/completions`, body, {headers, timeout: "120s"});
  check(answer, {"the stream is whole": r => r.status === 200 && r.body.includes("data: [DONE]")});
}
