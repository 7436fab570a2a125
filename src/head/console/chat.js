// The conversation: what was asked, and one column for each model or actor that answers.

import {$, el, number, plural, put, say, toast} from "./dom.js";
import {answer, waiting} from "./answer.js";
import {on, state} from "./feed.js";
import {changed, keep, kept} from "./keep.js";
import {prose} from "./prose.js";
import {explain} from "./requests.js";

const ALL = "all actors";
const chosen = new Set();
let turns = []; // {prompt, jobs, columns, node, grid, again}: each job is a request, and fills one column or, for all actors, several
let running = null; // AbortController of the turn that is being answered, the last one

// ---- who answers ----

const modelsOf = now => [...new Set(now.actor_list.filter(a => a.kind === "generate" && a.state === "ready").map(a => a.model))].sort();

function chip(name) {
  const box = el("input", {type: "checkbox", value: name, onchange: () => choose(name, box.checked)});
  return el("label", {class: "chip"}, box, el("span", {}, name));
}

function choose(name, is) {
  if (is && name === ALL) chosen.clear();
  if (is) chosen.delete(ALL);
  if (is) chosen.add(name);
  else chosen.delete(name);
  showChips();
}

function showChips() {
  if (!state) return;
  const models = modelsOf(state);
  for (const name of chosen) if (name !== ALL && !models.includes(name)) chosen.delete(name);
  if (chosen.size === 0 && models.length) chosen.add(models[0]);
  const names = [...models, ...(state.actor_list.filter(a => a.state === "ready").length > 1 ? [ALL] : [])];
  keyedChips(names);
}

function keyedChips(names) {
  const set = $("chat-models");
  const old = new Map([...set.querySelectorAll(".chip")].map(node => [node.firstChild.value, node]));
  for (const name of names) {
    const node = old.get(name) || set.appendChild(chip(name));
    node.firstChild.checked = chosen.has(name);
    old.delete(name);
  }
  for (const node of old.values()) node.remove();
}

// ---- settings ----

const SETTINGS = {system: "set-system", max_tokens: "set-max", temperature: "set-temperature", top_p: "set-top-p", seed: "set-seed"};

function settings() {
  const found = {};
  for (const [name, id] of Object.entries(SETTINGS)) {
    const value = $(id).value.trim();
    if (value !== "") found[name] = name === "system" ? value : Number(value);
  }
  sessionStorage.setItem("manta-chat", JSON.stringify(found));
  return found;
}

function restoreSettings() {
  const found = JSON.parse(sessionStorage.getItem("manta-chat") || "{}");
  for (const [name, id] of Object.entries(SETTINGS)) if (found[name] !== undefined) $(id).value = found[name];
}

// Opens the account of a request in its view.
async function why(id) {
  location.hash = "#requests";
  await explain(id);
  $("request-detail").scrollIntoView({block: "nearest"});
}

// ---- a column: one answer ----

// What is kept of a column when the page goes away.
const KEPT = ["who", "index", "text", "thought", "tokens", "worker", "finish", "usage", "id", "notes", "done", "problem", "words"];

// `old`: what was kept of it.
function column(who, old = {}) {
  const notes = el("ul", {class: "notes"});
  const text = el("div", {class: "text", "aria-busy": "true"});
  const meta = el("p", {class: "meta"}, "sent");
  const node = el("article", {class: "answer", "aria-label": `Answer of ${who}`}, el("h3", {}, who), text, notes, meta);
  const c = {who, node, index: 0, text: "", thought: "", tokens: 0, worker: "", finish: "", usage: null, notes: [], done: false, problem: "", words: "", ...old,
    begun: performance.now(), first: 0, before: old.tokens || 0};
  let drawn = true;

  const paint = () => {
    drawn = true;
    const thought = c.thought ? [el("details", {class: "thought"}, el("summary", {}, "Reasoning"), el("p", {}, c.thought))] : [];
    text.replaceChildren(...thought, ...prose(c.text.trimStart()));
  };
  // Once per frame, however many tokens come in it.
  c.draw = () => {
    if (!drawn) return;
    drawn = false;
    requestAnimationFrame(() => { if (!drawn) paint(); });
  };
  const showNote = ([words, kind]) => notes.append(el("li", {"data-kind": kind}, words));
  c.note = (words, kind) => {
    c.notes.push([words, kind]);
    showNote([words, kind]);
    say(words);
  };
  c.meta = words => {
    c.words = words;
    put(meta, words);
  };
  // Tokens a second since the first one that this page saw.
  const speed = (tokens, atLeastS) => {
    const time = (performance.now() - (c.first || c.begun)) / 1000, n = tokens - Math.max(c.before, 1);
    return c.first && time > atLeastS && n > 0 ? `${number(n / time)}/s` : "";
  };
  c.live = () => c.meta([plural(c.tokens, "token"), speed(c.tokens, 0.5), c.worker].filter(Boolean).join(" · "));
  // The worker that has it; notes about a change come from the stream itself.
  c.worked = name => { c.worker = name; };
  c.took = tokens => {
    if (!c.first) c.first = performance.now();
    c.tokens = tokens;
    c.live();
    c.draw();
  };
  // The words first: a page in the background gets no frames, and whoever sees that an answer has ended may read it.
  c.settle = () => {
    paint();
    text.setAttribute("aria-busy", "false");
    node.dataset.state = c.problem ? "failed" : "done";
    put(meta, c.words);
    if (c.id) meta.append(" · ", el("button", {type: "button", class: "plain", onclick: () => why(c.id)}, "Why there?"));
  };
  c.end = problem => {
    c.done = true;
    c.problem = problem || "";
    if (problem) c.note(problem, "wrong");
    if (c.finish === "length") c.note("Cut at the longest answer allowed: raise it in Settings, or ask to continue.", "cut");
    const tokens = c.usage ? c.usage.completion_tokens : c.tokens;
    c.meta([plural(tokens, "token"), speed(tokens, 0), c.first && !c.before ? `first after ${((c.first - c.begun) / 1000).toFixed(2)} s` : "",
      c.worker].filter(Boolean).join(" · "));
    c.settle();
    if (!problem) say(`${who}: ${c.text.slice(0, 2000)}`);
  };
  c.keep = () => Object.fromEntries(KEPT.map(name => [name, c[name]]));
  c.notes.forEach(showNote);
  if (c.words) put(meta, c.words);
  if (c.done) c.settle();
  else c.draw();
  return c;
}

// Why an answer leaves a worker, where that is no one's intention.
const LOST = new Set(["crashed", "hung", "failed", "unloaded"]);

// What happens to a request, told to its column, or to all columns of a fan-out.
const teller = columns => ({
  opened: id => columns().forEach(c => { c.id = id; }),
  comment: text => {
    const words = waiting(text);
    for (const c of columns()) {
      if (words && !c.first) c.meta(words);
      if (text.includes("computed again")) c.note("The answer was lost with its head and its worker, and was computed again.", "moved");
      const [, what, worker, token, reason] = /^manta (left|resumed) worker=(.+) token=(\d+)(?: reason=(.*))?$/.exec(text) || [];
      if (what === "left") c.note(LOST.has(reason) ? `${worker} was lost at token ${token} (${reason}).` : `The answer leaves ${worker} at token ${token} (${reason}).`, "lost");
      if (what === "resumed") c.note(`${worker} resumed the answer at token ${token}.`, "moved");
    }
  },
  node: name => { if (columns().length === 1) columns()[0].worked(name); },
  lost: () => columns().forEach(c => c.note(`The head was lost at token ${c.tokens}; resuming when it is back.`, "lost")),
  resumed: ms => columns().forEach(c => c.note(`Resumed after ${(ms / 1000).toFixed(1)} s; nothing was lost.`, "resumed")),
});

// ---- asking ----

function messagesFor(who) {
  const s = settings(), messages = s.system ? [{role: "system", content: s.system}] : [];
  for (const turn of turns) {
    const mine = turn.columns.find(c => c.who === who) || turn.columns[0];
    if (!mine || !mine.text) continue;
    messages.push({role: "user", content: turn.prompt}, {role: "assistant", content: mine.text});
  }
  return messages;
}

function sampling() {
  const {system, ...rest} = settings();
  return rest;
}

const jobOf = (model, prompt) => ({model, path: "/v1/chat/completions", last: "", body: {model, messages: [...messagesFor(model), {role: "user", content: prompt}],
  stream: true, stream_options: {include_usage: true}, ...sampling()}});
const jobOfAll = prompt => ({path: "/manta/process_prompt", last: "", body: {prompt, actors: "all", stream: true, ...sampling()}});

// The column of a job's answer; it comes with the first word where one does not know before whose it is.
function columnOf(turn, index, who, old) {
  let c = turn.columns.find(one => one.index === index);
  if (!c) {
    c = column(who || `answer ${index + 1}`, {...old, index});
    turn.columns.push(c);
    turn.grid.append(c.node);
  }
  return c;
}

function oneEvent(c, json, places) {
  const choice = (json.choices || [])[0];
  if (json.usage) c.usage = json.usage;
  if (!choice) return;
  c.text += choice.delta?.content || "";
  c.thought += choice.delta?.reasoning_content || "";
  c.finish = choice.finish_reason || c.finish;
  if (choice.delta?.content || choice.delta?.reasoning_content) c.took(places[0]);
}

function allEvent(turn, json, places) {
  if (json.responses) {
    json.responses.forEach((r, i) => Object.assign(columnOf(turn, i, `${r.model} on ${r.node}`), {usage: r.usage, finish: r.finish_reason || ""}));
    return;
  }
  if (json.index === undefined) return;
  const c = columnOf(turn, json.index, json.actor ? `${json.actor.model} on ${json.actor.node}` : "");
  if (json.actor) c.worker = json.actor.node;
  c.text += json.text || "";
  if (json.text) c.took(places[json.index] || c.tokens + 1);
}

// Runs a job to its end, from wherever it is, and says in its columns how it ended.
async function run(turn, job, signal) {
  const i = turn.jobs.indexOf(job);
  const columns = () => job.model === undefined ? turn.columns : [columnOf(turn, i, job.model)];
  try {
    await answer(job.path, job.body, job.last, signal, {...teller(columns), event: (json, places, last) => {
      job.last = last;
      if (job.model === undefined) allEvent(turn, json, places);
      else oneEvent(columns()[0], json, places);
      changed();
    }});
    columns().forEach(c => c.end());
  } catch (problem) {
    const words = problem.name === "AbortError" ? "Stopped." : problem.message;
    if (columns().length === 0) toast(words, true);
    columns().forEach(c => c.end(words));
  }
  job.done = true;
  changed();
}

function busy(is) {
  $("send").hidden = is;
  $("stop").hidden = !is;
}

// Its place in the page, without columns.
function place(prompt, jobs) {
  const grid = el("div", {class: "columns"});
  const again = el("button", {class: "quiet", type: "button", hidden: true, onclick: () => retry(turn)}, "Ask again");
  const node = el("section", {class: "turn", "aria-label": "Question and answer"}, el("p", {class: "mine"}, prompt), grid, el("div", {class: "actions"}, again));
  const turn = {prompt, jobs, columns: [], node, grid, again};
  $("turns").append(node);
  $("chat-none").hidden = true;
  return turn;
}

async function follow(turn) {
  const control = new AbortController();
  running = control;
  busy(true);
  await Promise.all(turn.jobs.filter(job => !job.done).map(job => run(turn, job, control.signal)));
  turn.again.hidden = false;
  if (running === control) {
    running = null;
    busy(false);
  }
}

function ask(prompt) {
  const turn = place(prompt, chosen.has(ALL) ? [jobOfAll(prompt)] : [...chosen].map(model => jobOf(model, prompt)));
  turns.push(turn);
  turn.jobs.forEach((job, i) => { if (job.model !== undefined) columnOf(turn, i, job.model); });
  turn.node.scrollIntoView({block: "nearest"});
  changed();
  follow(turn);
}

function retry(turn) {
  if (running) return;
  turns = turns.slice(0, turns.indexOf(turn));
  while (turn.node.nextSibling) turn.node.nextSibling.remove();
  turn.node.remove();
  ask(turn.prompt);
}

// ---- a page that is loaded again ----

const snapshot = () => turns.map(turn => ({prompt: turn.prompt, jobs: turn.jobs, columns: turn.columns.map(c => c.keep())}));

// Answers that were in their middle are resumed behind the last event that came.
function restore() {
  for (const old of kept()) {
    const turn = place(old.prompt, old.jobs);
    turns.push(turn);
    for (const c of old.columns) columnOf(turn, c.index, c.who, c);
    if (old.jobs.every(job => job.done)) turn.again.hidden = false;
    else follow(turn);
  }
  if (turns.length > 0) turns[turns.length - 1].node.scrollIntoView({block: "nearest"});
}

function send() {
  const prompt = $("prompt").value.trim();
  if (prompt === "" || running) return;
  if (chosen.size === 0) {
    toast("No model is ready yet.", true);
    return;
  }
  $("prompt").value = "";
  ask(prompt);
}

function stop() {
  if (running) running.abort();
}

export function begin() {
  restoreSettings();
  restore();
  keep(snapshot);
  on("state", showChips);
  $("composer").addEventListener("submit", e => {
    e.preventDefault();
    send();
  });
  $("stop").addEventListener("click", () => {
    stop();
    $("prompt").focus();
  });
  $("prompt").addEventListener("keydown", e => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
      e.preventDefault();
      send();
    }
  });
  $("chat").addEventListener("keydown", e => { if (e.key === "Escape") stop(); });
  $("chat-new").addEventListener("click", () => {
    stop();
    turns = [];
    changed();
    $("turns").replaceChildren();
    $("chat-none").hidden = false;
    $("prompt").focus();
  });
}
