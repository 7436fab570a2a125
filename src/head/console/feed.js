// The head's state, about once a second, for whoever wants it; connects again by itself, and rests while nobody looks at the page.

import {$, put, seconds} from "./dom.js";
import {events, headers, key, refusal} from "./api.js";

const listeners = {history: [], state: [], log: [], locked: []};
export const on = (name, listener) => listeners[name].push(listener);
const tell = (name, value) => listeners[name].forEach(listener => listener(value));

// The last state that came; null before the first.
export let state = null;

const FIRST_WAIT_MS = 300, LONGEST_WAIT_MS = 4000;
let wait = FIRST_WAIT_MS, running = null, lostAt = 0;

function show(what, words) {
  $("link").dataset.state = what;
  put($("link"), words);
}

async function follow(signal) {
  const response = await fetch("/manta/events", {headers: headers(), cache: "no-store", signal});
  if (!response.ok) throw await refusal(response);
  for await (const event of events(response)) {
    if (event.comment !== undefined) continue;
    const value = JSON.parse(event.data);
    wait = FIRST_WAIT_MS;
    lostAt = 0;
    if (event.event === "state") {
      state = value;
      show("live", value.head.stopping ? "the head is stopping" : "live");
    }
    if (listeners[event.event]) tell(event.event, value);
  }
}

async function run() {
  const mine = running = new AbortController();
  while (running === mine) {
    try {
      await follow(mine.signal);
    } catch (problem) {
      if (mine.signal.aborted) return;
      if (problem.status === 401) {
        running = null;
        show("lost", "locked");
        tell("locked", problem);
        return;
      }
      if (problem.status) show("lost", problem.message);
    }
    lostAt = lostAt || Date.now();
    const gone = (Date.now() - lostAt) / 1000;
    show("lost", gone < 2 ? "head lost, trying again" : `head lost for ${seconds(gone)}, trying again`);
    await new Promise(resolve => setTimeout(resolve, wait));
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }
}

export function stop() {
  if (running) running.abort();
  running = null;
}

export function start() {
  stop();
  $("forget").hidden = !key.get();
  run();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) stop();
  else if (!running) start();
});
