// The cluster at a glance.

import {$, bytes, el, keyed, number, plural, put, seconds, toast} from "./dom.js";
import {ask} from "./api.js";
import {chart} from "./chart.js";
import {on} from "./feed.js";
import {workerCard} from "./worker.js";

const LINES_SHOWN = 100, TILES = ["Workers", "Actors ready", "Slots in use", "Waiting", "Tokens/s", "Head's memory"];
let speed, jobs, scaleTouched = false, resumedBefore = null;

function tile(name) {
  const value = el("dd", {});
  return Object.assign(el("div", {class: "tile"}, el("dt", {}, name), value), {value});
}

function showTiles(now) {
  const serving = now.actor_list.filter(a => a.state === "ready");
  const slots = serving.reduce((n, a) => n + a.slots, 0), busy = serving.reduce((n, a) => n + a.in_flight, 0);
  const values = [now.workers, now.actors, `${busy} of ${slots}`, now.queued, number(now.tokens_per_s), bytes(now.head.rss_bytes)];
  keyed($("tiles"), TILES.map((name, i) => ({name, value: values[i]})), t => t.name, t => tile(t.name), (node, t) => put(node.value, t.value));
}

function showWorkers(now) {
  const byWorker = Map.groupBy ? Map.groupBy(now.actor_list, a => a.worker) : group(now.actor_list);
  const order = new Intl.Collator("en", {numeric: true});
  const workers = [...now.worker_nodes].sort((a, b) => order.compare(a.node, b.node));
  // Another head gives the same ids to other workers.
  keyed($("workers"), workers, w => `${w.id} ${w.node}`, workerCard, (node, w) => node.update(w, byWorker.get(w.id) || [], now.admin));
  $("workers-none").hidden = now.workers > 0;
  $("workers-more").hidden = workers.length >= now.workers;
  put($("workers-more"), `The first ${workers.length} of ${now.workers} are shown.`);
}

function group(actors) {
  const map = new Map();
  for (const a of actors) map.set(a.worker, [...(map.get(a.worker) || []), a]);
  return map;
}

function showScale(now) {
  const s = now.scale, form = $("scale");
  form.hidden = !now.admin || !s.launcher;
  if (!scaleTouched && s.desired !== null) $("scale-count").value = s.desired;
  const words = [];
  if (!s.launcher) words.push("No launcher has joined: workers are started by hand, with manta worker.");
  if (s.policy === "auto") words.push(`The load decides, between ${s.min} and ${s.max} workers; a number here ends that.`);
  if (s.launcher && s.starting > 0) words.push(`${plural(s.starting, "worker")} starting.`);
  if (s.why) words.push(`Last change: ${s.why}.`);
  if (s.note) words.push(s.note);
  put($("scale-note"), words.join(" "));
}

function showQueue(now) {
  const waiting = now.requests.request_list.filter(r => r.place).sort((a, b) => a.place - b.place);
  keyed($("queue"), waiting.slice(0, 50), r => r.id, () => el("li", {}), (node, r) => put(node, [`place ${r.place}`, r.eta_s ? `about ${seconds(r.eta_s)}` : "",
    r.model || "any model", `waits for ${seconds(r.age_s)}`, r.state === "queued" ? "" : r.state, r.tenant].filter(Boolean).join(" · ")));
  $("queue-none").hidden = now.queued > 0;
  put($("queue-none"), "Nobody waits.");
}

// ---- events ----

// Lines that only repeat what the tiles show.
const TOLD_ABOVE = new Set(["resources", "actors"]);

function addLine(line) {
  if (TOLD_ABOVE.has(line.event)) return;
  const time = new Date(line.time);
  const node = el("li", {"data-level": line.level}, el("time", {datetime: line.time}, time.toLocaleTimeString("en-GB")), el("span", {class: "what"}, line.node ? `${line.node}: ${line.text}` : line.text));
  $("log").prepend(node);
  while ($("log").childElementCount > LINES_SHOWN) $("log").lastElementChild.remove();
  $("log-none").hidden = true;
}

// Those who may not read the log see at least that answers moved.
function noticeMoves(now) {
  if (resumedBefore !== null && now.jobs_resumed > resumedBefore && !(now.admin && now.sees_all))
    addLine({time: new Date().toISOString(), level: "warn", text: `${plural(now.jobs_resumed - resumedBefore, "answer")} resumed on another worker`});
  resumedBefore = now.jobs_resumed;
}

// ---- scaling ----

async function scale(e) {
  e.preventDefault();
  const workers = Number($("scale-count").value);
  try {
    await ask("POST", "/manta/scale", {workers});
    toast(`The cluster is going to have ${plural(workers, "worker")}.`);
  } catch (problem) {
    toast(problem.message, true);
  }
  scaleTouched = false;
}

function step(by) {
  const input = $("scale-count");
  input.value = Math.max(0, Number(input.value) + by);
  scaleTouched = true;
}

export function begin() {
  speed = chart("Tokens per second", "tokens/s", 10);
  jobs = chart("Requests running and waiting", "requests", 4);
  $("charts").append(speed, jobs);
  on("history", h => {
    speed.begin(h.samples.map(([age, tokens]) => [age, tokens]));
    jobs.begin(h.samples.map(([age, , running, queued]) => [age, running + queued]));
    $("log").replaceChildren();
  });
  on("state", now => {
    showTiles(now);
    speed.add(now.tokens_per_s);
    jobs.add(now.running + now.queued);
    showWorkers(now);
    showScale(now);
    showQueue(now);
    noticeMoves(now);
  });
  on("log", addLine);
  $("scale").addEventListener("submit", scale);
  $("scale-count").addEventListener("input", () => { scaleTouched = true; });
  $("scale-less").addEventListener("click", () => step(-1));
  $("scale-more").addEventListener("click", () => step(1));
}
