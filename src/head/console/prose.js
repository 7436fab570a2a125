// An answer as people like to read it: paragraphs, lists, headings, code. A small part of Markdown, made into elements one by one; no string of a
// model's is ever taken for markup, and there are no links and no images.

import {el} from "./dom.js";

function inline(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(/`([^`\n]+)`|\*\*([^*\n]+)\*\*|(?<![\w*])\*([^*\s][^*\n]*)\*(?![\w*])/g)) {
    parts.push(text.slice(at, found.index));
    at = found.index + found[0].length;
    parts.push(found[1] !== undefined ? el("code", {}, found[1]) : el(found[2] !== undefined ? "strong" : "em", {}, found[2] ?? found[3]));
  }
  parts.push(text.slice(at));
  return parts.filter(part => part !== "");
}

function block(lines) {
  const heading = /^#{1,6} (.*)$/.exec(lines[0]);
  if (heading && lines.length === 1) return el("p", {class: "heading"}, ...inline(heading[1]));
  const bullet = /^\s*[-*] /, numbered = /^\s*\d+[.)] /;
  for (const [tag, mark] of [["ul", bullet], ["ol", numbered]]) {
    if (!mark.test(lines[0])) continue;
    const items = [];
    for (const line of lines) {
      if (mark.test(line) || items.length === 0) items.push(line.replace(mark, ""));
      else items[items.length - 1] += `\n${line.trim()}`;
    }
    const start = tag === "ol" ? /\d+/.exec(lines[0])[0] : null;
    return el(tag, {start}, ...items.map(item => el("li", {}, ...inline(item))));
  }
  return el("p", {}, ...inline(lines.join("\n")));
}

export function prose(text) {
  const blocks = [];
  let lines = [];
  const flush = () => {
    if (lines.length) blocks.push(block(lines));
    lines = [];
  };
  // Where code begins and ends: every second piece is code, also when its end has not come yet.
  text.split(/^```/m).forEach((piece, i) => {
    if (i % 2 === 1) {
      const end = piece.indexOf("\n");
      blocks.push(el("pre", {tabindex: 0, "aria-label": "Code"}, el("code", {}, end < 0 ? "" : piece.slice(end + 1))));
      return;
    }
    for (const line of piece.split("\n")) {
      if (line.trim() === "") flush();
      else {
        if (/^#{1,6} /.test(line)) flush();
        lines.push(line);
        if (/^#{1,6} /.test(line)) flush();
      }
    }
    flush();
  });
  return blocks;
}
