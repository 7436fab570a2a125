// What the cluster can answer with, by model.

import {$, bytes, el, keyed, plural, put} from "./dom.js";
import {on} from "./feed.js";

function card() {
  const title = el("h3", {}), badge = el("span", {class: "badge"}), facts = el("dl", {class: "terms"}), loads = el("ul", {class: "actors"});
  const node = el("li", {class: "card"}, el("div", {class: "row"}, title, badge), facts, loads);
  node.update = ({model, actors}) => {
    const ready = actors.filter(a => a.state === "ready"), failed = actors.filter(a => a.state === "failed"), a = ready[0] || actors[0];
    put(title, model);
    badge.dataset.state = ready.length ? "ok" : failed.length ? "lost" : "slow";
    put(badge, ready.length ? `${ready.length} of ${actors.length} ready` : a.state);
    const terms = {
      "For": a.kind === "embed" ? "embeddings" : a.chat_template ? "chat" : "text",
      "Context": a.context ? `${a.context.toLocaleString("en")} tokens a stream` : "–",
      "Streams at once": ready.reduce((n, x) => n + x.slots, 0),
      "Exact": a.exact ? "yes" : "no",
      "Weights": a.weights_bytes ? bytes(a.weights_bytes + a.repack_bytes) : "–",
      "KV cache": a.kv_bytes ? bytes(a.kv_bytes) : "–",
      "File": a.digest ? a.digest.slice(0, 16) : "–",
    };
    keyed(facts, Object.entries(terms).flatMap(([name, value]) => [["dt", name, name], ["dd", `${name}=`, value]]), t => t[1], t => el(t[0], {}), (x, t) => put(x, t[2]));
    keyed(loads, actors.filter(x => x.state !== "ready"), x => `${x.id} ${x.node}`, loading, (x, actor) => x.update(actor));
  };
  return node;
}

// One that is being downloaded or loaded, or that failed, and why.
function loading(actor) {
  const words = el("span", {}), bar = el("progress", {max: 1, "aria-label": `Progress on ${actor.node}`});
  return Object.assign(el("li", {}, words, bar), {update: a => {
    put(words, `${a.node}: ${a.state}${a.state === "loading" ? `, ${Math.round(100 * a.progress)} %` : ""}${a.note ? ` · ${a.note}` : ""}`);
    bar.hidden = a.state !== "loading";
    bar.value = a.progress;
  }});
}

export function begin() {
  on("state", now => {
    const models = new Map();
    for (const a of now.actor_list) models.set(a.model, [...(models.get(a.model) || []), a]);
    const list = [...models].map(([model, actors]) => ({model, actors})).sort((a, b) => a.model.localeCompare(b.model));
    keyed($("model-cards"), list, m => m.model, card, (node, m) => node.update(m));
    $("models-none").hidden = list.length > 0;
    put($("models-none"), `No actor has loaded a model yet; ${plural(now.workers, "worker")} joined.`);
  });
}
