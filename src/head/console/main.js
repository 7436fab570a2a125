// The page: its views, its key, its connection.

import {$, put} from "./dom.js";
import {key} from "./api.js";
import * as feed from "./feed.js";
import {begin as beginOverview} from "./overview.js";
import {begin as beginChat} from "./chat.js";
import {begin as beginRequests} from "./requests.js";
import {begin as beginModels} from "./models.js";

const VIEWS = ["overview", "chat", "requests", "models"];

function view() {
  const wanted = location.hash.slice(1), name = VIEWS.includes(wanted) ? wanted : "overview";
  for (const other of VIEWS) $(other).hidden = other !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · manta`;
  window.scrollTo(0, 0);
}

let wrongKey = "";

function askKey(problem) {
  wrongKey = key.get();
  put($("key-why"), wrongKey ? "That key was refused. " + problem.message : "It was started with --api-key. The key stays in this tab and is forgotten with it.");
  $("key").value = "";
  if (!$("key-dialog").open) $("key-dialog").showModal();
  $("key").focus();
}

$("key-form").addEventListener("submit", () => {
  key.set($("key").value.trim());
  feed.start();
});
$("key-dialog").addEventListener("cancel", e => e.preventDefault());
$("forget").addEventListener("click", () => {
  key.forget();
  location.reload();
});
$("skip").addEventListener("click", () => $("main").focus());
window.addEventListener("hashchange", () => {
  view();
  $("main").focus({preventScroll: true});
});

beginOverview();
beginChat();
beginRequests();
beginModels();
feed.on("locked", askKey);
view();
feed.start();
