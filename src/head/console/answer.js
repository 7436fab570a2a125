// One answer from the head, whatever dies meanwhile. Its events are numbered; when the connection breaks, the same request is sent again with the
// number of the last event (Last-Event-ID), and the head, or the one that came after it, resumes the answer behind that.

import {events, headers, refusal} from "./api.js";
import {on, state} from "./feed.js";

const FIRST_WAIT_MS = 250, LONGEST_WAIT_MS = 3000, GIVE_UP_MS = 180000;

const pause = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    reject(new DOMException("stopped", "AbortError"));
  }, {once: true});
});

// How many tokens of each branch the client has, by an event's id.
const placesOf = id => (id.split("-")[1] || "").split(",").map(place => parseInt(place, 10) || 0);

// A head that is gone, stops, or has no worker yet: it is worth another try. Anything else is an answer.
const mayComeBack = problem => !problem.status || problem.status >= 502;

// Listens to the state for one request: whose worker has it.
const watched = new Set();
on("state", now => watched.forEach(look => look(now)));

// `told` is called with what happens: opened(id), event(json, places, last), comment(text), node(name), lost(), resumed(after ms). `from`: the last
// event that a page before this one had, "" for none. Ends with the answer, or throws: a Refusal, an AbortError, or an Error of the stream.
export async function answer(path, body, from, signal, told) {
  let last = from, id = "", ended = false, lostAt = from ? Date.now() : 0, wait = FIRST_WAIT_MS;
  const look = now => {
    const mine = now.requests.request_list.find(request => request.id === id);
    if (mine && mine.node) told.node(mine.node);
  };
  watched.add(look);

  async function attempt() {
    const more = last ? {"last-event-id": last} : {};
    const response = await fetch(path, {method: "POST", headers: headers({"content-type": "application/json", ...more}), body: JSON.stringify(body), signal});
    if (!response.ok) throw await refusal(response);
    id = response.headers.get("x-request-id") || id;
    told.opened(id);
    for await (const event of events(response)) {
      if (event.comment !== undefined) {
        told.comment(event.comment);
        continue;
      }
      if (lostAt) told.resumed(Date.now() - lostAt);
      lostAt = 0;
      wait = FIRST_WAIT_MS;
      if (event.id) last = event.id;
      if (event.data === "[DONE]") return true;
      const json = JSON.parse(event.data);
      if (json.error) throw Object.assign(new Error(json.error.message), {final: true});
      told.event(json, placesOf(last), last);
    }
    return false;
  }

  try {
    while (!ended) {
      try {
        ended = await attempt();
        if (ended) return;
      } catch (problem) {
        if (signal.aborted || problem.final || !mayComeBack(problem) || (problem.status && !lostAt)) throw problem;
        if (lostAt && Date.now() - lostAt > GIVE_UP_MS) throw problem;
      }
      if (!lostAt) {
        lostAt = Date.now();
        told.lost();
      }
      await pause(wait, signal);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    }
  } finally {
    watched.delete(look);
  }
}

// "manta queue=3 eta=4.2s" in words.
export function waiting(comment) {
  const value = name => (new RegExp(`\\b${name}=([0-9.]+)`).exec(comment) || [])[1];
  if (value("queue")) return `place ${value("queue")} in the queue${value("eta") ? `, about ${value("eta")} s` : ""}`;
  if (value("loading")) return `the model is loading: ${value("loading")} %`;
  if (value("starting")) return `a worker is starting${value("eta") ? `, about ${value("eta")} s` : ""}`;
  if (comment.includes("no worker")) return "no worker is there yet";
  if (comment.includes("prefill")) return "reading the prompt";
  return "";
}

export const canAnswer = () => state !== null;
