// The last minutes of a number, as a line over an area. Drawn by hand: two paths of an SVG.

import {el, number, put} from "./dom.js";

export const SPAN_MS = 300000;
const WIDTH = 300, HEIGHT = 60;

// The next number above that people find round.
function round(n) {
  const power = 10 ** Math.floor(Math.log10(Math.max(n, 1)));
  return [1, 2, 5, 10].map(factor => factor * power).find(step => step >= n);
}

export function chart(title, unit, least) {
  const area = el("path", {class: "area"}), line = el("path", {class: "line"});
  const svg = el("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true"}, area, line);
  const now = el("span", {class: "now"}), top = el("span", {class: "top"});
  const node = el("figure", {class: "chart", role: "img"},
    el("figcaption", {}, el("span", {}, title), now),
    el("div", {class: "plot"}, svg, top, el("span", {class: "from"}, "5 min ago"), el("span", {class: "to"}, "now")));
  let points = [];

  function draw() {
    const end = performance.now();
    points = points.filter(point => end - point.at < SPAN_MS + 2000);
    const most = Math.max(least, ...points.map(point => point.value)), scale = round(most);
    const path = points.map(point => {
      const x = WIDTH * (1 - (end - point.at) / SPAN_MS), y = HEIGHT - (HEIGHT - 2) * point.value / scale;
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    const first = path.length ? path[0].split(" ")[0] : 0, last = path.length ? path.at(-1).split(" ")[0] : 0;
    line.setAttribute("d", path.length ? `M${path.join("L")}` : "");
    area.setAttribute("d", path.length ? `M${first} ${HEIGHT}L${path.join("L")}L${last} ${HEIGHT}z` : "");
    const value = points.length ? points.at(-1).value : 0;
    put(now, `${number(value)} ${unit}`);
    put(top, number(scale));
    node.setAttribute("aria-label", `${title}, last five minutes: now ${number(value)} ${unit}, at most ${number(Math.max(0, ...points.map(p => p.value)))}`);
  }

  node.begin = samples => {
    points = samples.map(([age, value]) => ({at: performance.now() - age, value}));
    draw();
  };
  node.add = value => {
    points.push({at: performance.now(), value});
    draw();
  };
  return node;
}
