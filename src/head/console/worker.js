// A worker's card: how it is, what its actors do, and what can be done with it.

import {bytes, el, keyed, meter, number, plural, put, seconds, sure, toast} from "./dom.js";
import {ask} from "./api.js";

async function availability(path, body, done) {
  try {
    await ask("POST", path, body);
    toast(done);
  } catch (problem) {
    toast(problem.message, true);
  }
}

async function drain(name) {
  const yes = await sure(`Drain ${name}?`, "It takes no new requests, finishes those it has or passes them on after 30 s, and leaves. No request is lost.", "Drain");
  if (!yes) return;
  toast(`${name} finishes its requests and leaves.`);
  availability("/manta/drain", {worker: name, grace_s: 30}, `${name} has left.`);
}

export function workerCard(worker) {
  const name = worker.node;
  const title = el("h3", {}, name), badge = el("span", {class: "badge"}), reason = el("p", {class: "reason"});
  const memory = meter("Memory"), load = meter("CPU"), about = el("p", {class: "about"});
  const actors = el("ul", {class: "actors"});
  const cordon = el("button", {type: "button", class: "quiet", onclick: () => cordon.dataset.off
    ? availability("/manta/uncordon", {worker: name}, `${name} takes requests again.`)
    : availability("/manta/cordon", {worker: name}, `${name} takes no new requests.`)});
  const drains = el("button", {type: "button", class: "quiet", onclick: () => drain(name)}, "Drain");
  drains.setAttribute("aria-label", `Drain ${name}`);
  const actions = el("div", {class: "actions"}, cordon, drains);
  const node = el("li", {class: "card"}, el("div", {class: "row"}, title, badge), reason, actors, load, memory, about, actions);

  node.update = (w, itsActors, admin) => {
    badge.dataset.state = w.state;
    put(badge, w.state);
    put(reason, w.reason || "");
    reason.hidden = !w.reason;
    load.set(w.cpus > 0 ? w.cpu_load / w.cpus : 0, `${w.cpu_load.toFixed(1)} of ${plural(w.cpus, "CPU")}`);
    memory.set(w.memory_bytes > 0 ? w.rss_bytes / w.memory_bytes : 0, w.memory_bytes > 0 ? `${bytes(w.rss_bytes)} of ${bytes(w.memory_bytes)}` : bytes(w.rss_bytes));
    put(about, [w.address, `manta ${w.version}`, w.engine, w.rtt_us ? `${(w.rtt_us / 1000).toFixed(1)} ms away` : "",
      w.temperature_c ? `${Math.round(w.temperature_c)} °C` : "", w.beat_age_ms > 3000 ? `silent for ${seconds(w.beat_age_ms / 1000)}` : ""].filter(Boolean).join(" · "));
    const off = w.availability !== "serving";
    cordon.dataset.off = w.availability === "cordoned" ? "yes" : "";
    put(cordon, w.availability === "cordoned" ? "Uncordon" : "Cordon");
    cordon.setAttribute("aria-label", `${w.availability === "cordoned" ? "Uncordon" : "Cordon"} ${name}`);
    cordon.disabled = off && w.availability !== "cordoned";
    drains.disabled = w.availability === "draining" || w.state === "draining";
    actions.hidden = !admin;
    keyed(actors, itsActors, a => `${a.id} ${a.model}`, actorRow, (row, a) => row.update(a));
  };
  return node;
}

function actorRow(actor) {
  const slots = meter("Slots"), model = el("strong", {}), words = el("span", {class: "hint"}), kept = el("span", {class: "hint kept"});
  const progress = el("progress", {max: 1, "aria-label": `Loading ${actor.model}`});
  const node = el("li", {}, el("div", {class: "row"}, model, words), progress, slots, kept);
  node.update = a => {
    put(model, a.model);
    const ready = a.state === "ready";
    progress.hidden = a.state !== "loading";
    progress.value = a.progress;
    slots.hidden = !ready;
    slots.set(a.in_flight / a.slots, `${a.in_flight} of ${a.slots}`);
    put(kept, ready && (a.prefixes || a.tokens_restored) ? `${plural(a.prefixes, "prompt")} kept, ${bytes(a.prefix_bytes)} · ${number(a.tokens_restored)} tokens restored` : "");
    const speed = a.decode_tps > 0 ? `${number(a.decode_tps)} tokens/s a stream` : "not measured yet";
    put(words, ready ? [a.health === "well" ? "" : a.health, speed].filter(Boolean).join(" · ")
      : a.state === "loading" ? `loading, ${Math.round(100 * a.progress)} %${a.note ? ` · ${a.note}` : ""}` : `${a.state}${a.note ? `: ${a.note}` : ""}`);
  };
  return node;
}
