"""The console in a real browser: what people see and click, and what dies meanwhile."""

import contextlib
import http.server
import json
import os
import threading
import time

import pytest

from cluster import wait_for

SCRIPT = "echo:tokens=160,decode_us=4000"
QUESTION = "Tell me of the rays and the reef."


def three(cluster, script=SCRIPT, *flags):
    """A head and three workers; no answer moves but for the reason that the test gives it."""
    head = cluster.head("--rebalance=off")
    for i in (1, 2, 3):
        cluster.echo_worker(head, script, "--node", f"worker-{i}", "--memory", "1g", *flags)
    head.wait_ready(actors=3)
    return head


def undisturbed(head, prompt, **fields):
    """What the chat is to show in the end."""
    status, answer = head.post("/v1/chat/completions", {"model": "echo", "messages": [{"role": "user", "content": prompt}], "seed": 7, **fields})
    assert status == 200
    return answer["choices"][0]["message"]["content"]


def same_words(shown, text):
    assert shown.split() == text.split()


def worker_of(cluster, head):
    """The process whose actor computes."""
    node = wait_for("an actor that computes", lambda: [a["node"] for a in head.status()["actor_list"] if a["in_flight"]])[0]
    return next(p for p in cluster.processes if p.name.startswith("worker") and node in p.popen.args)


def mid_answer(c, tokens=20):
    """Waits until the answer has come so far."""
    c.page.wait_for_function("n => Number.parseInt(document.querySelector('.turn:last-child .meta')?.textContent) >= n", arg=tokens)


def asked(cluster, console):
    """(head, console, the whole answer) of a chat that is in the middle of that answer."""
    head = three(cluster)
    expected = undisturbed(head, QUESTION)
    cluster.pace(50)
    c = console(head).open("chat").live()
    c.page.evaluate("document.querySelector('#set-seed').value = 7")
    c.ask(QUESTION)
    mid_answer(c)
    return head, c, expected


# ---- the page ----

def test_the_page_shows_the_cluster_live(cluster, console):
    """Given a head; when its page is open and workers join, answer and leave; then the page shows each without being loaded again."""
    head = cluster.head()
    c = console(head).open().live()
    assert c.tile("Workers") == "0" and c.page.is_visible("#workers-none")
    for i in (1, 2, 3):
        last = cluster.echo_worker(head, SCRIPT, "--node", f"worker-{i}")
    c.wait_tile("Actors ready", "3")
    assert c.page.locator("#workers h3").all_inner_texts() == ["worker-1", "worker-2", "worker-3"]
    c.wait_text("#log", "worker-3: worker joined")
    head.ask("hi")
    c.page.wait_for_function("() => document.querySelector('.chart .line').getAttribute('d').includes('L')")
    last.kill()
    c.wait_tile("Workers", "2")
    c.wait_gone("#workers", "worker-3")


def test_another_head_numbers_its_workers_anew(cluster, console):
    """Given a page that shows the worker of a head; when that head is gone, and another worker is the first of the next one, before the page sees it; then
    the page shows and drains the worker that is there, not the one whose number it has."""
    head = cluster.head()
    north = cluster.echo_worker(head, SCRIPT, "--node", "north")
    c = console(head).open().live()
    c.wait_text("#workers", "north")
    c.page.route("**/manta/events", lambda route: route.abort())
    head.kill()
    north.kill()
    head = cluster.head(port=head.port)
    cluster.echo_worker(head, SCRIPT, "--node", "south")
    head.wait_ready(actors=1)
    c.page.unroute("**/manta/events")
    c.page.wait_for_selector("button[aria-label='Drain south']")
    assert c.page.locator("#workers h3").all_inner_texts() == ["south"]
    assert c.page.locator("#workers .actions button").evaluate_all("all => all.map(b => b.ariaLabel)") == ["Cordon south", "Drain south"]


def test_who_waits_is_shown_with_place_and_time(cluster, console):
    """Given one slot; when three streams want it; then the page shows one that runs and the places of the two that wait."""
    head = cluster.head()
    cluster.pace(50)
    cluster.echo_worker(head, "echo:tokens=100000", "--slots", "1", "--context", "200000", "--node", "worker-1")
    head.wait_ready(actors=1)
    asked = [head.begin("/v1/completions", {"prompt": f"{i}", "max_tokens": 100000, "stream": True}) for i in range(3)]
    head.wait_status(queued=2, running=1)
    c = console(head).open().live()
    c.wait_text("#queue li", "place 2")
    assert c.page.locator("#queue li").count() == 2
    c.go("requests")
    c.wait_text("#request-rows", "running")
    assert c.page.locator("#request-rows tr").count() == 3
    c.page.click("#request-rows tr:nth-child(2) button")
    c.wait_text("#request-detail", "waits, place 1")
    c.page.click("#request-detail button")
    assert c.page.is_hidden("#request-detail")
    for conn in asked:
        conn.close()


# ---- chat ----

def test_a_chat_streams_remembers_stops_and_asks_again(cluster, console):
    """Given a cluster; when something is asked, then the answer comes in pieces; a second question goes with the first; Stop ends an answer, and
    "Ask again" repeats it."""
    head = three(cluster)
    cluster.pace(30)
    c = console(head).open("chat").live()
    c.ask(QUESTION)
    mid_answer(c, 5)
    early = c.text(".turn .text")
    cluster.pace(0)
    whole = c.answer()
    assert whole.startswith(early.rstrip("▍ \n")[:20]) and len(whole) > len(early)
    assert "160 tokens" in c.text(".turn .meta") and "worker-" in c.text(".turn .meta")
    c.ask("And then?")
    c.page.wait_for_selector(".turn:nth-child(2) .answer[data-state=done]")
    sent = json.loads([r for r in c.asked if r.url.endswith("/v1/chat/completions")][-1].post_data)
    assert [m["role"] for m in sent["messages"]] == ["user", "assistant", "user"]
    cluster.pace(200)
    c.ask("Never mind.")
    mid_answer(c, 2)
    c.page.click("#stop")
    c.wait_text(".turn:last-child .notes", "Stopped.")
    head.wait_idle()
    cluster.pace(0)
    c.page.click(".turn:last-child button:has-text('Ask again')")
    c.page.wait_for_selector(".turn:last-child .answer[data-state=done]")
    assert c.page.locator(".turn").count() == 3


def test_settings_are_sent_and_a_cut_answer_says_so(cluster, console):
    """Given settings for the answer; then they are in the request, and an answer that ends at its limit says so."""
    c = console(three(cluster)).open("chat").live()
    c.page.click(".settings summary")
    for field, value in ("#set-system", "Be brief."), ("#set-max", "12"), ("#set-temperature", "0.5"), ("#set-seed", "7"):
        c.page.fill(field, value)
    c.ask(QUESTION)
    c.answer()
    sent = json.loads([r for r in c.asked if r.url.endswith("/v1/chat/completions")][-1].post_data)
    assert sent["max_tokens"] == 12 and sent["temperature"] == 0.5 and sent["seed"] == 7 and sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert "longest answer" in c.text(".turn .notes") and "12 tokens" in c.text(".turn .meta")


def test_models_and_actors_side_by_side(cluster, console):
    """Given two models on two workers; when both are chosen, then each answers in a column of its own; so does every actor when all are asked."""
    head = cluster.head()
    for name in ("ray", "reef"):
        cluster.echo_worker(head, f"echo:name={name},tokens=20", "--node", f"worker-{name}")
    head.wait_ready(actors=2)
    c = console(head).open("chat").live()
    models = c.page.locator(".chip").all_inner_texts()
    assert len(models) == 3 and models[-1] == "all actors"
    c.page.click(f".chip:has-text('{models[1]}')")
    c.ask(QUESTION)
    c.page.wait_for_function("() => document.querySelectorAll('.answer[data-state=done]').length === 2")
    assert c.page.locator(".answer h3").all_inner_texts() == models[:2]
    c.page.click(".chip:has-text('all actors')")
    c.ask(QUESTION)
    c.page.wait_for_function("() => document.querySelectorAll('.turn:last-child .answer[data-state=done]').length === 2")
    assert {"worker-ray", "worker-reef"} == {t.split(" on ")[1] for t in c.page.locator(".turn:last-child .answer h3").all_inner_texts()}


# ---- what dies meanwhile ----

def test_a_worker_dies_in_mid_answer(cluster, console):
    """Given an answer that streams; when its worker is killed; then the answer resumes on another one, the page names both, and no word is lost or doubled."""
    head, c, expected = asked(cluster, console)
    lost = worker_of(cluster, head)
    c.wait_text(".turn .meta", lost.popen.args[lost.popen.args.index("--node") + 1])
    lost.kill()
    c.wait_text(".turn .notes", "resumed the answer")
    cluster.pace(0)
    same_words(c.answer(), expected)
    name = lost.popen.args[lost.popen.args.index("--node") + 1]
    notes = c.page.locator(".notes li").all_inner_texts()
    assert len(notes) == 2 and notes[0].startswith(f"{name} was lost at token ") and " resumed the answer at token " in notes[1], notes
    c.page.click(".turn .meta button")
    c.wait_text("#request-detail .steps", f"It left {name} after")


def test_the_head_dies_in_mid_answer(cluster, console):
    """Given an answer that streams; when the head is killed and another one is started in its place; then the page says that it lost the head, and the answer
    resumes by itself, without a word lost or doubled; why it went where it went is told from there on."""
    head, c, expected = asked(cluster, console)
    head.kill()
    c.wait_text(".turn .notes", "The head was lost at token")
    c.page.wait_for_selector("#link[data-state=lost]")
    cluster.head("--rebalance=off", port=head.port)
    c.wait_text(".turn .notes", "Resumed after")
    cluster.pace(0)
    same_words(c.answer(), expected)
    c.live()
    c.page.click(".turn .meta button")
    c.wait_text("#request-detail .steps", "Its client came back with")
    c.wait_text("#request-detail .steps", "it has the answer already")
    c.wait_text("#request-detail .terms", "ended, 200 stop")
    c.shot("explain")


def test_a_page_that_is_loaded_again_resumes_its_answer(cluster, console):
    """Given a chat with an answer, and one that streams; when the page is loaded again, twice; then the conversation is there, the answer resumes where it
    was, no word is lost or doubled, the next question goes with both, and "New" forgets all of it."""
    head = three(cluster)
    c = console(head).open("chat").live()
    c.page.evaluate("document.querySelector('#set-seed').value = 7")
    c.ask("First of all?")
    first = c.answer()
    cluster.pace(50)
    c.ask(QUESTION)
    for tokens in 20, 50:
        mid_answer(c, tokens)
        c.page.reload()
        c.live()
        assert c.page.locator(".turn").count() == 2 and c.page.locator(".mine").all_inner_texts() == ["First of all?", QUESTION]
        same_words(c.text(".turn:first-child .text"), first)
        c.wait_text(".turn:last-child .notes", "Resumed after")
    cluster.pace(0)
    shown = c.answer()
    body = json.loads([r for r in c.asked if r.url.endswith("/v1/chat/completions")][-1].post_data)
    assert c.page.locator(".turn:last-child .answer").count() == 1 and "160 tokens" in c.text(".turn:last-child .meta")
    same_words(shown, head.post("/v1/chat/completions", {**body, "stream": False, "stream_options": None})[1]["choices"][0]["message"]["content"])
    assert all("last-event-id" in r.headers for r in [r for r in c.asked if r.url.endswith("/v1/chat/completions")][2:])
    c.page.reload()
    c.live()
    same_words(c.answer(), shown)
    assert "160 tokens" in c.text(".turn:last-child .meta") and c.page.is_visible("#send")
    c.ask("And then?")
    c.page.wait_for_selector(".turn:nth-child(3) .answer[data-state=done]")
    sent = json.loads([r for r in c.asked if r.url.endswith("/v1/chat/completions")][-1].post_data)
    assert [m["role"] for m in sent["messages"]] == ["user", "assistant"] * 2 + ["user"] and sent["messages"][3]["content"].split() == shown.split()
    c.page.click("#chat-new")
    c.page.reload()
    c.live()
    assert c.page.locator(".turn").count() == 0 and c.page.is_visible("#chat-none")


def test_a_page_that_is_loaded_again_while_the_head_is_gone(cluster, console):
    """Given a fan-out that streams; when the page goes, the head dies and another one takes its place, and the page is loaded again; then every column
    resumes to its end, in its place."""
    head = three(cluster)
    cluster.pace(50)
    c = console(head).open("chat").live()
    c.page.click(".chip:has-text('all actors')")
    c.ask(QUESTION)
    c.page.wait_for_function("() => document.querySelectorAll('.turn .answer').length === 3")
    mid_answer(c, 10)
    names = c.page.locator(".answer h3").all_inner_texts()
    c.page.goto("about:blank")
    head.kill()
    cluster.head("--rebalance=off", port=head.port)
    c.open("chat").live()
    cluster.pace(0)
    c.page.wait_for_function("() => document.querySelectorAll('.answer[data-state=done]').length === 3")
    assert c.page.locator(".answer h3").all_inner_texts() == names
    assert all(len(text.split()) > 60 for text in c.page.locator(".answer .text").all_inner_texts())


# ---- commands ----

def test_scale_cordon_and_drain_by_click(cluster, console):
    """Given a cluster of `manta up`; when workers are added, cordoned and drained by click; then it happens, and the page shows it."""
    up = cluster.up("--no-prompt", "--workers", "2", "--engine", "echo", "--model", "echo:tokens=20")
    up.wait_ready(actors=2)
    c = console(up).open().live()
    c.wait_tile("Actors ready", "2")
    c.page.click("#scale-more")
    c.page.click("#scale button[type=submit]")
    c.wait_tile("Actors ready", "3")
    c.page.click('button[aria-label="Cordon worker-1"]')
    c.wait_text(".card .badge", "cordoned")
    assert {w["node"]: w["state"] for w in up.status()["worker_nodes"]}["worker-1"] == "cordoned"
    c.page.click('button[aria-label="Uncordon worker-1"]')
    c.wait_gone(".card .badge", "cordoned")
    before = {w["node"]: w["id"] for w in up.status()["worker_nodes"]}["worker-2"]
    c.page.click('button[aria-label="Drain worker-2"]')
    c.page.click("#sure-dialog button[value=no]")
    assert {w["node"]: w["id"] for w in up.status()["worker_nodes"]}["worker-2"] == before
    c.page.click('button[aria-label="Drain worker-2"]')
    c.page.click("#sure-yes")
    c.wait_text("#toast", "worker-2 has left.")
    wait_for("a fresh worker-2", lambda: {w["node"]: w["id"] for w in up.status()["worker_nodes"]}.get("worker-2", before) != before)


def test_a_key_is_asked_for_kept_in_the_tab_and_forgotten(cluster, console):
    """Given a head with a key; when the page is opened; then it asks for the key, says when it is wrong, works with the right one, also after a reload, and
    forgets it on a click."""
    head = cluster.head("--api-key", "the-key-of-this-head")
    cluster.echo_worker(head)
    head.key = "the-key-of-this-head"
    head.wait_ready(actors=1)
    c = console(head).open()
    for value in "not-the-key", head.key:
        c.page.wait_for_selector("#key-dialog[open]")
        c.page.fill("#key", value)
        c.page.press("#key", "Enter")
        if value != head.key:
            c.wait_text("#key-why", "refused")
    c.live()
    c.wait_tile("Workers", "1")
    c.page.reload()
    c.live()
    assert not c.page.is_visible("#key-dialog") and c.page.evaluate("document.cookie + Object.keys(localStorage).join()") == ""
    assert not any(head.key in r.url for r in c.asked)
    c.page.click("#forget")
    c.page.wait_for_selector("#key-dialog[open]")


@contextlib.contextmanager
def site(html):
    """A stranger's web site; its port."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


ATTACK = """<title>shop</title><iframe id="f" src="HEAD/"></iframe><script type="module">
const results = [];
const tries = [
  () => fetch("HEAD/manta/scale?workers=0", {method: "POST", mode: "no-cors"}),
  () => fetch("HEAD/manta/drain", {method: "POST", mode: "no-cors", body: '{"worker":"worker-1","grace_s":0}'}),
  () => fetch("HEAD/manta/cordon", {method: "POST", headers: {"content-type": "application/json"}, body: '{"worker":"worker-1"}'}),
  () => fetch("HEAD/manta/events").then(r => r.text()),
  () => fetch("HEAD/manta/status").then(r => r.text()),
  () => import("HEAD/console/main.js"),
  () => new Promise((yes, no) => Object.assign(new EventSource("HEAD/manta/events"), {onmessage: yes, onerror: no})),
];
for (const t of tries) results.push(await t().then(r => r && r.type === "opaque" ? "opaque" : "read", () => "refused"));
const form = Object.assign(document.createElement("form"), {method: "post", action: "HEAD/manta/uncordon", target: "w", enctype: "text/plain"});
document.body.append(form);
form.submit();
window.results = results;
</script><iframe name="w"></iframe>"""


def test_a_foreign_page_can_do_nothing(cluster, browser):
    """Given a cluster of `manta up` on loopback without a key; when a page of another site tries to scale, drain, cordon, read and frame it; then it reads nothing,
    shows nothing, and nothing has changed."""
    up = cluster.up("--no-prompt", "--workers", "1", "--engine", "echo", "--model", "echo:tokens=20")
    up.wait_ready(actors=1)
    wait_for("a number of workers that is desired", lambda: up.status()["scale"]["desired"])
    before = up.status()
    with site(ATTACK.replace("HEAD", up.url)) as port:
        page = browser.new_page()
        page.goto(f"http://shop.example:{port}/")
        page.wait_for_function("() => window.results")
        results = page.evaluate("window.results")
        frame = page.query_selector("#f").content_frame()
        assert frame is None or "Overview" not in frame.content()
        page.close()
    assert "read" not in results and len(results) == 7, results
    after = up.status()
    assert after["scale"]["desired"] == before["scale"]["desired"] and [(w["id"], w["state"], w["availability"]) for w in after["worker_nodes"]] == \
        [(w["id"], w["state"], w["availability"]) for w in before["worker_nodes"]]


# ---- everybody ----

def looked_at(cluster, console, **options):
    """A console that has something to show in each view."""
    head = three(cluster)
    cluster.pace(20)
    asked = head.begin("/v1/completions", {"prompt": "a stream in the background", "max_tokens": 160, "stream": True})
    c = console(head, **options).open("chat").live()
    c.ask("A question that is a little longer than the others, with averyveryverylongwordthathasnoblankinitatall.")
    mid_answer(c, 10)
    return c, asked


@pytest.mark.parametrize("width", [320, 1200])
def test_kept_prompts_are_shown_once_there_are_any(cluster, console, width):
    """Given a worker with one slot; when two conversations take turns there; then its actor's row says what it keeps and what was restored of it, also on
    a small phone; before that there is no such line."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=6,prefill_us=200", "--slots", 1, "--node", "oak")
    head.wait_ready(actors=1)
    c = console(head, viewport={"width": width, "height": 640}).open().live()
    c.wait_text("#workers", "oak")
    assert not c.page.is_visible("#workers .kept")
    for start in "the first story ", "another one ", "the first story ":
        head.ask(start * 40)
    a = wait_for("a kept prompt", lambda: next((a for a in head.ready_actors() if a["prefixes"] and a["tokens_restored"]), None))
    c.wait_text("#workers .kept", f"{a['tokens_restored']:,} tokens restored")
    assert c.page.inner_text("#workers .kept").startswith(f"{a['prefixes']} prompt")
    assert c.page.evaluate("document.documentElement.scrollWidth") <= width


BROKEN_WORDS = """[...document.querySelectorAll("button, label, form.scale span, h1, h2, nav a")].filter(e => {
    const word = document.createRange(), text = [...e.childNodes].find(n => n.nodeType === Node.TEXT_NODE && /^\\S+$/.test(n.data.trim()));
    if (!text || !e.offsetParent) return false;
    word.selectNodeContents(text);
    return new Set([...word.getClientRects()].map(r => Math.round(r.top))).size > 1;
}).map(e => e.textContent)"""


def test_nothing_is_cut_off_at_320_pixels(cluster, console):
    """Given a small phone; when each view is open, light and dark; then nothing is wider than the screen, and no word of its controls is broken."""
    c, asked = looked_at(cluster, console, viewport={"width": 320, "height": 640})
    for scheme in "light", "dark":
        c.page.emulate_media(color_scheme=scheme)
        for view in "overview", "chat", "requests", "models":
            c.go(view)
            c.page.wait_for_selector(f"#{view}:not([hidden])")
            assert c.page.evaluate("document.documentElement.scrollWidth") <= 320, (scheme, view)
            assert c.page.evaluate(BROKEN_WORDS) == [], (scheme, view)
            c.shot(f"phone-{view}-{scheme}")
    asked.close()


def test_axe_finds_nothing_serious(cluster, console, packages):
    """Given each view with something in it, light and dark, and both dialogs; then axe finds nothing serious or critical."""
    c, asked = looked_at(cluster, console)
    axe = (packages / "axe-core/axe.min.js").read_text()

    def judge(where):
        c.page.evaluate(axe)
        found = c.page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        serious = [(v["id"], [n["target"] for n in v["nodes"]][:4]) for v in found if v["impact"] in ("serious", "critical")]
        assert not serious, (where, serious)

    for scheme in "light", "dark":
        c.page.emulate_media(color_scheme=scheme)
        for view in "overview", "chat", "requests", "models":
            c.go(view)
            judge((view, scheme))
            c.shot(f"{view}-{scheme}")
        c.go("overview")
        c.page.click('button[aria-label="Drain worker-1"]')
        judge(("sure", scheme))
        c.page.keyboard.press("Escape")
        c.page.evaluate("document.querySelector('#key-dialog').showModal()")
        judge(("key", scheme))
        c.page.evaluate("document.querySelector('#key-dialog').close()")
    asked.close()


def tab_to(page, wanted, most=60):
    """Presses Tab until that has the focus; each stop on the way must be visible."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"{wanted} cannot be reached by Tab")


def test_everything_can_be_done_by_keyboard(cluster, console):
    """Given nobody but a keyboard; when a view is chosen, a question asked and stopped, and a worker drained; then each works, and Escape closes a dialog
    without doing anything."""
    head = three(cluster)
    cluster.pace(100)
    c = console(head).open().live()
    page = c.page
    tab_to(page, 'nav a[href="#chat"]')
    page.keyboard.press("Enter")
    page.wait_for_selector("#chat:not([hidden])")
    tab_to(page, "#prompt")
    page.keyboard.type("First line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second line")
    page.keyboard.press("Enter")
    mid_answer(c, 3)
    assert c.text(".mine") == "First line\nsecond line"
    page.keyboard.press("Escape")
    c.wait_text(".notes", "Stopped.")
    page.keyboard.press("Shift+Tab")
    page.evaluate("document.querySelector('.brand').focus()")
    page.keyboard.press("Enter")
    page.wait_for_selector("#overview:not([hidden])")
    tab_to(page, 'button[aria-label="Drain worker-1"]')
    page.keyboard.press("Enter")
    page.wait_for_selector("#sure-dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#sure-dialog", state="hidden")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Drain worker-1" and len(head.status()["worker_nodes"]) == 3
    page.keyboard.press("Enter")
    page.wait_for_selector("#sure-dialog[open]")
    page.keyboard.press("Enter")
    c.wait_tile("Workers", "2")


def test_a_question_that_is_asked_again_at_once(cluster, console):
    """Given a dialog that was closed and is opened again before the browser has told of its end; when it is answered with yes; then what was asked is done."""
    head = three(cluster)
    c = console(head).open().live()
    c.page.wait_for_selector('button[aria-label="Drain worker-1"]')
    c.page.evaluate("""() => {
        const drain = document.querySelector('button[aria-label="Drain worker-1"]'), dialog = document.getElementById("sure-dialog");
        drain.click(); dialog.close("no"); drain.click();
    }""")
    c.page.wait_for_selector("#sure-dialog[open]")
    c.page.keyboard.press("Enter")
    c.wait_tile("Workers", "2")


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "`</code><script>alert(1)</script>`", "**<b onclick=alert(1)>x</b>**"])
def test_words_of_a_model_are_never_markup(cluster, console, text):
    """Given a model that answers in HTML; then the page shows its characters."""
    head = cluster.head()
    cluster.echo_worker(head, f"echo:script={text}")
    head.wait_ready(actors=1)
    c = console(head).open("chat").live()
    c.ask("x")
    assert "alert(1)" in c.answer() and c.page.locator(".text script, .text img, .text b").count() == 0


def test_an_answer_that_has_ended_shows_all_its_words(cluster, console):
    """Given a page in the background, to which the browser gives no frames; when an answer ends; then all its words stand there at the moment when the
    page calls it done."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:script=Every word of it.")
    head.wait_ready(actors=1)
    c = console(head).open("chat").live()
    c.page.evaluate("window.requestAnimationFrame = () => 0")
    c.ask("x")
    assert c.answer() == "Every word of it."


POEM = ("Rays glide where the light of the reef grows thin, and **no one** has asked them to hurry.\n\n- They turn with the tide.\n- They rise for the sun.\n"
        "- They keep what the deep has to say.\n\nAnd when one of them leaves, another one swims on from the very same word, so that nobody who listens would notice.")


@pytest.mark.skipif(not os.environ.get("MANTA_SCREENSHOTS"), reason="only for the pictures of the documents")
def test_the_pictures_of_the_documents(cluster, console):
    """Given a cluster that has been busy for a while; when its worker and its head are killed under a chat; then docs/console.md gets its pictures."""
    head = cluster.head("--rebalance=off")
    for i in (1, 2, 3):
        cluster.echo_worker(head, f"echo:name=smollm2,script={POEM}", "--node", f"worker-{i}", "--memory", "2g", "--slots", "2")
    head.wait_ready(actors=3)
    cluster.pace(60)
    c = console(head, color_scheme="light").open("chat").live()
    c.ask("What do rays do all day?")
    mid_answer(c, 40)
    worker_of(cluster, head).kill()
    c.wait_text(".turn .notes", "resumed the answer")
    mid_answer(c, 110)
    head.kill()
    c.wait_text(".turn .notes", "The head was lost at token")
    new = cluster.head("--rebalance=off", port=head.port)
    c.wait_text(".turn .notes", "Resumed after")
    c.answer()
    c.shot("chat")
    cluster.echo_worker(new, f"echo:name=smollm2,script={POEM}", "--node", "worker-4", "--memory", "2g", "--slots", "2")
    asked = []
    for i in range(45):  # the charts want something to show: this picture takes its time
        asked.append(new.begin("/v1/chat/completions", {"model": "smollm2", "messages": [{"role": "user", "content": f"{i}"}], "stream": True}))
        time.sleep(1 if i % 9 else 6)
        if len(asked) > 8:
            asked.pop(0).close()
    c.go("overview")
    c.page.wait_for_timeout(1500)
    c.shot("overview", full_page=True)
    c.page.set_viewport_size({"width": 360, "height": 720})
    c.page.emulate_media(color_scheme="dark")
    c.page.wait_for_timeout(1200)
    c.shot("phone")
    for conn in asked:
        conn.close()
