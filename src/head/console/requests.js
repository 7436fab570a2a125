// What waits and what runs, and why it runs where it does.

import {$, el, keyed, number, put, seconds} from "./dom.js";
import {ask} from "./api.js";
import {on} from "./feed.js";

const COLUMNS = 8;

function row(request) {
  const cells = Array.from({length: COLUMNS}, (_, i) => el("td", i >= 4 && i <= 6 ? {class: "number"} : {}));
  const open = el("button", {type: "button", class: "plain", onclick: () => explain(request.id)}, request.client_id || request.id);
  cells[0].append(open);
  return Object.assign(el("tr", {}, ...cells), {cells_: cells});
}

function show(node, r) {
  const state = r.status === undefined ? r.state : r.status === 200 ? `ended: ${r.finish_reason || "whole"}` : r.status === 499 ? "cancelled" : `error ${r.status}`;
  const place = r.place ? `${r.place}${r.eta_s ? ` (${seconds(r.eta_s)})` : ""}` : "–";
  const values = [null, state, r.model || "any", r.node || "–", place, number(r.tokens || 0), seconds(r.age_s ?? r.total_s ?? 0), r.tenant || ""];
  node.dataset.state = r.status === undefined ? "open" : "ended";
  values.forEach((value, i) => { if (value !== null) put(node.cells_[i], value); });
}

// Any JSON as people can read it: members as a list of terms, arrays of objects as a table.
function readable(value) {
  if (Array.isArray(value) && value.length && typeof value[0] === "object") {
    const names = [...new Set(value.flatMap(Object.keys))];
    const head = el("thead", {}, el("tr", {}, ...names.map(name => el("th", {scope: "col"}, words(name)))));
    const rows = value.map(item => el("tr", {}, ...names.map(name => el("td", {}, readable(item[name])))));
    return el("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": "Details"}, el("table", {}, head, el("tbody", {}, ...rows)));
  }
  if (Array.isArray(value)) return value.join(", ");
  if (value && typeof value === "object")
    return el("dl", {class: "terms"}, ...Object.entries(value).flatMap(([name, member]) => [el("dt", {}, words(name)), el("dd", {}, readable(member))]));
  return value === undefined || value === null ? "–" : String(value);
}

const words = name => name.replace(/_bytes$/, ", bytes").replace(/_ms$/, ", ms").replace(/_s$/, ", s").replaceAll("_", " ");

// The head's words for a choice, as `manta explain` has them.
const WHY = {
  "best": "the lowest predicted cost of those with a free slot",
  "next in queue": "it became free, and this request was next in the queue",
  "fan-out": "the request goes to several actors, each has a part",
  "has it": "it has the answer already, from before this head had the request",
  "moved": "the answer moved there with what was computed of it",
};

// "Sent to worker-2: the lowest predicted cost ..., after 0.2 s in the queue", with the candidates it was chosen from.
function stepOf(step) {
  const tokens = `with ${step.tokens} tokens of it`;
  const head = step.what === "new head" ? "A new head took the place of the one it was at"
    : step.what === "came back" ? `Its client came back ${tokens}; what was before that is in no account here`
    : step.what === "computed again" ? `Its client came back ${tokens}, which no worker has any more: it is computed again`
    : step.what === "chosen" ? `Sent to ${step.node}: ${WHY[step.why] || step.why}${step.waited_s > 0.01 ? ` after ${seconds(step.waited_s)} in the queue` : ""}`
    : `It left ${step.node} after ${step.tokens} tokens: ${step.why}${step.text ? `, ${step.text}` : ""}`;
  const candidates = (step.candidates || []).map(c => ({worker: c.node, chosen: c.chosen ? "yes" : "", "predicted cost, s": c.cost_s, "first token, s": c.first_token_s,
    busy: `${c.busy} of ${c.slots}`, "prompt tokens": c.prompt_tokens, "of them cached": c.cached_tokens}));
  return el("li", {}, el("p", {}, `${seconds(step.at_s)}: ${head}.`), candidates.length ? readable(candidates) : null);
}

// What is known of it, without what is not.
function facts(a) {
  const s = value => value === null || value === undefined ? null : `${value} s`;
  const all = {
    "state": a.state === "ended" ? `ended, ${a.status} ${a.finish_reason || ""}` : a.place ? `waits, place ${a.place}` : a.state,
    "error": a.error,
    "model": a.model,
    "worker": a.node,
    "name given by its client": a.client_id,
    "tenant": a.tenant,
    "came": new Date(a.created * 1000).toLocaleString(),
    "asked for": a.stream ? "a stream" : "a whole answer",
    "time in the queue": s(a.queued_s),
    "first token after": s(a.first_token_s),
    "in all": s(a.total_s),
    "prompt": a.state === "ended" ? `${a.prompt_tokens} tokens, ${a.cached_tokens} of them from a cache` : null,
    "answer": a.state === "ended" ? `${a.tokens} tokens` : null,
    "balance": a.balance,
    "steps left out": a.steps_left_out || null,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== undefined && value !== ""));
}

function readableAccount({steps, ...rest}) {
  return el("div", {}, readable(rest.object === "manta.explain" ? facts(rest) : rest), ...(steps && steps.length ? [el("h3", {class: "spaced"}, "Where it went"), el("ol", {class: "steps"}, ...steps.map(stepOf))] : []));
}

export async function explain(id) {
  const detail = $("request-detail");
  let told = null, why = "";
  for (const path of [`/manta/requests/${encodeURIComponent(id)}/explain`, `/manta/requests/${encodeURIComponent(id)}`]) {
    try {
      told = await ask("GET", path);
      break;
    } catch (problem) {
      why = problem.message;
    }
  }
  const close = el("button", {type: "button", class: "quiet", onclick: () => { detail.hidden = true; }}, "Close");
  detail.replaceChildren(el("div", {class: "row"}, el("h2", {tabindex: -1}, `Request ${id}`), close), told ? readableAccount(told) : el("p", {class: "problem"}, why));
  detail.hidden = false;
  detail.querySelector("h2").focus();
}

export function begin() {
  on("state", now => {
    const list = now.requests.request_list;
    const open = new Set(list.map(r => r.id));
    keyed($("request-rows"), [...list, ...(now.requests.ended_list || []).filter(r => !open.has(r.id))], r => r.id, row, show);
    const hidden = now.requests.requests - list.length;
    put($("requests-hint"), list.length === 0 ? "Nothing waits and nothing runs." :
      `${now.requests.running} running, ${now.requests.queued} waiting${hidden > 0 ? `; the oldest ${list.length} are shown` : ""}${now.sees_all ? "" : "; only your own are shown"}.`);
  });
}
