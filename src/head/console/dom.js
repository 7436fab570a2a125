// Elements and numbers. Everything that comes from a model, a worker or another client becomes a text node: nothing here makes markup of strings.

export const $ = id => document.getElementById(id);

// el("p", {class: "hint", onclick: f}, "text", child): attributes, listeners and children; null and false children are left out.
export function el(tag, attributes = {}, ...children) {
  const node = tag === "svg" || tag === "path" || tag === "line" ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

// Changes a text only where it differs, so that a selection and a screen reader are left in peace.
export function put(node, value) {
  const text = String(value);
  if (node.textContent !== text) node.textContent = text;
}

// Makes the children of `parent` those of `items`, in their order; a node stays with its key, and so do focus and open details.
export function keyed(parent, items, keyOf, make, update) {
  const old = new Map([...parent.children].map(node => [node.dataset.key, node]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let node = old.get(key);
    old.delete(key);
    if (!node) {
      node = make(item);
      node.dataset.key = key;
    }
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
    update(node, item);
  }
  for (const node of old.values()) node.remove();
}

export function bytes(n) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${unit === 0 ? n : n.toFixed(n < 10 ? 1 : 0)} ${units[unit]}`;
}

export function seconds(s) {
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

export const number = n => Number.isInteger(n) || n >= 100 ? Math.round(n).toLocaleString("en") : n >= 10 || n === 0 ? n.toFixed(0) : n.toFixed(1);
export const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

// A bar from 0 to 1, of `parts` equal ones where that is told: slots.
export function meter(label) {
  const fill = el("span", {class: "fill"});
  const text = el("span", {class: "meter-text"});
  const bar = el("span", {class: "track", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100}, fill);
  const node = el("div", {class: "meter"}, el("span", {class: "meter-label"}, label), bar, text);
  node.set = (share, words) => {
    const percent = Math.round(100 * Math.min(1, Math.max(0, share || 0)));
    fill.style.width = `${percent}%`;
    bar.dataset.level = percent > 95 ? "full" : "";
    bar.setAttribute("aria-valuenow", percent);
    bar.setAttribute("aria-valuetext", words);
    put(text, words);
  };
  return node;
}

let toastTimer = 0;
// A short message that goes away; screen readers are told it.
export function toast(message, wrong = false) {
  const node = $("toast");
  node.textContent = message;
  node.dataset.state = wrong ? "wrong" : "right";
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { node.textContent = ""; }, wrong ? 12000 : 5000);
}

// Only for screen readers.
export const say = message => put($("say"), message);

// Asks before something is done that is not undone as easily.
export function sure(title, text, yes) {
  const dialog = $("sure-dialog");
  put($("sure-title"), title);
  put($("sure-text"), text);
  put($("sure-yes"), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  $("sure-yes").focus();
  return new Promise(resolve => {
    const closed = () => {
      if (dialog.open) return; // the end of the question before this one, told late
      dialog.removeEventListener("close", closed);
      resolve(dialog.returnValue === "yes");
    };
    dialog.addEventListener("close", closed);
  });
}
