// The conversation: what was asked, and one column for each model or actor that answers.

import {$, el, number, plural, put, say, toast} from "./dom.js";
import {answer, waiting} from "./answer.js";
import {on, state} from "./feed.js";
import {prose} from "./prose.js";
import {explain} from "./requests.js";

const ALL = "all actors";
const chosen = new Set();
let turns = []; // {prompt, columns: [{who, text, messages}], node}
let running = null; // AbortController of the turn that is being answered

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

function column(who) {
  const notes = el("ul", {class: "notes"});
  const text = el("div", {class: "text", "aria-busy": "true"});
  const meta = el("p", {class: "meta"}, "sent");
  const node = el("article", {class: "answer", "aria-label": `Answer of ${who}`}, el("h3", {}, who), text, notes, meta);
  const c = {who, node, text: "", thought: "", tokens: 0, worker: "", begun: performance.now(), first: 0, finish: "", usage: null};
  let drawn = true;

  c.draw = () => {
    if (!drawn) return;
    drawn = false;
    requestAnimationFrame(() => {
      drawn = true;
      const thought = c.thought ? [el("details", {class: "thought"}, el("summary", {}, "Reasoning"), el("p", {}, c.thought))] : [];
      text.replaceChildren(...thought, ...prose(c.text.trimStart()));
    });
  };
  c.note = (words, kind) => {
    notes.append(el("li", {"data-kind": kind}, words));
    say(words);
  };
  c.meta = words => put(meta, words);
  c.live = () => {
    const time = (performance.now() - (c.first || c.begun)) / 1000;
    c.meta([plural(c.tokens, "token"), c.first && time > 0.5 ? `${number((c.tokens - 1) / time)}/s` : "", c.worker].filter(Boolean).join(" · "));
  };
  // The worker that has it; notes about a change come from the stream itself.
  c.worked = name => { c.worker = name; };
  c.took = tokens => {
    if (!c.first) c.first = performance.now();
    c.tokens = tokens;
    c.live();
    c.draw();
  };
  c.end = problem => {
    text.setAttribute("aria-busy", "false");
    node.dataset.state = problem ? "failed" : "done";
    if (problem) c.note(problem, "wrong");
    if (c.finish === "length") c.note("Cut at the longest answer allowed: raise it in Settings, or ask to continue.", "cut");
    const time = (performance.now() - (c.first || c.begun)) / 1000, tokens = c.usage ? c.usage.completion_tokens : c.tokens;
    c.meta([plural(tokens, "token"), c.first && time > 0 && tokens > 1 ? `${number((tokens - 1) / time)}/s` : "",
      c.first ? `first after ${((c.first - c.begun) / 1000).toFixed(2)} s` : "", c.worker].filter(Boolean).join(" · "));
    if (c.id) meta.append(" · ", el("button", {type: "button", class: "plain", onclick: () => why(c.id)}, "Why there?"));
    c.draw();
    if (!problem) say(`${who}: ${c.text.slice(0, 2000)}`);
  };
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

async function askModel(model, prompt, columns, signal) {
  const c = column(model);
  columns.push(c);
  const body = {model, messages: [...messagesFor(model), {role: "user", content: prompt}], stream: true, stream_options: {include_usage: true}, ...sampling()};
  await finish([c], () => answer("/v1/chat/completions", body, signal, {...teller(() => [c]), event: (json, places) => {
    const choice = (json.choices || [])[0];
    if (json.usage) c.usage = json.usage;
    if (!choice) return;
    c.text += choice.delta?.content || "";
    c.thought += choice.delta?.reasoning_content || "";
    c.finish = choice.finish_reason || c.finish;
    if (choice.delta?.content || choice.delta?.reasoning_content) c.took(places[0]);
  }}));
}

async function askAll(prompt, columns, shown, signal) {
  const at = [];
  const body = {prompt, actors: "all", stream: true, ...sampling()};
  const place = (index, who) => {
    if (!at[index]) {
      at[index] = column(who || `answer ${index + 1}`);
      columns.push(at[index]);
      shown(at[index]);
    }
    return at[index];
  };
  const all = () => at.filter(Boolean);
  await finish(all, () => answer("/manta/process_prompt", body, signal, {...teller(all), event: (json, places) => {
    if (json.responses) {
      json.responses.forEach((r, i) => Object.assign(place(i, `${r.model} on ${r.node}`), {usage: r.usage, finish: r.finish_reason || ""}));
      return;
    }
    const who = json.actor ? `${json.actor.model} on ${json.actor.node}` : "";
    if (json.index === undefined) return;
    const c = place(json.index, who);
    if (json.actor) c.worker = json.actor.node;
    c.text += json.text || "";
    if (json.text) c.took(places[json.index] || c.tokens + 1);
  }}));
}

// Runs it to its end, and says in its columns how it ended.
async function finish(columns, run) {
  const list = () => typeof columns === "function" ? columns() : columns;
  try {
    await run();
    list().forEach(c => c.end());
  } catch (problem) {
    const words = problem.name === "AbortError" ? "Stopped." : problem.message;
    if (list().length === 0) toast(words, true);
    list().forEach(c => c.end(words));
  }
}

function busy(is) {
  $("send").hidden = is;
  $("stop").hidden = !is;
}

async function ask(prompt) {
  const columns = [], control = new AbortController();
  running = control;
  busy(true);
  const grid = el("div", {class: "columns"});
  const again = el("button", {class: "quiet", type: "button", hidden: true, onclick: () => retry(turn)}, "Ask again");
  const node = el("section", {class: "turn", "aria-label": "Question and answer"}, el("p", {class: "mine"}, prompt), grid, el("div", {class: "actions"}, again));
  const turn = {prompt, columns, node};
  $("turns").append(node);
  $("chat-none").hidden = true;
  const jobs = chosen.has(ALL) ? [askAll(prompt, columns, c => grid.append(c.node), control.signal)]
    : [...chosen].map(model => askModel(model, prompt, columns, control.signal));
  grid.append(...columns.map(c => c.node));
  node.scrollIntoView({block: "nearest"});
  await Promise.all(jobs);
  turns.push(turn);
  again.hidden = false;
  if (running === control) {
    running = null;
    busy(false);
  }
}

function retry(turn) {
  if (running) return;
  turns = turns.slice(0, turns.indexOf(turn));
  while (turn.node.nextSibling) turn.node.nextSibling.remove();
  turn.node.remove();
  ask(turn.prompt);
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
    $("turns").replaceChildren();
    $("chat-none").hidden = false;
    $("prompt").focus();
  });
}
