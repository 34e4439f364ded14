"""The pages as a person sees them in a real browser, and as other sites would misuse it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.answers import CLAUDE, body
from tests.browser import all_of, until
from tests.clients import ask, post
from tests.proxy import Proxy
from tests.upstream import json_reply

HOSTILE = (
    "</pre></section></title><script>document.title = 'owned'</script>"
    "<img src=x onerror=\"document.title='owned'\"><style>body { display: none }</style>"
    "<a href=\"javascript:document.title='owned'\">click</a><iframe src=/></iframe>"
    "<svg onload=\"document.title='owned'\"></svg>\u202e\u2066"
)
FOREIGN = (
    "script, img, style, iframe, object, embed, [onload], [onerror], [style], "
    "a[href^='javascript'], main svg"
)
"""Elements that no list and no exchange has."""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory, upstream, browser) -> Iterator[Proxy]:
    """A proxy with a call like any other, and hostile ones."""
    running = Proxy(
        tmp_path_factory.mktemp("pages"),
        routes=[f"*=anthropic/claude-sonnet-4-5@{upstream.url}"],
        environment={"ANTHROPIC_API_KEY": "sk-ant-environment-key-0123456789"},
    ).wait_until_up()
    hostile = {**CLAUDE, "content": [{"type": "text", "text": HOSTILE}], "model": HOSTILE}
    refused = {"type": "error", "error": {"type": "invalid_request_error", "message": HOSTILE}}
    for number, (reply, asked) in enumerate(
        (
            (json_reply(body(CLAUDE)), ask("gpt-4o", "Where is Paris?", temperature=0.5)),
            (json_reply(body(hostile)), ask(f"gpt {HOSTILE}", HOSTILE, user=HOSTILE)),
            (json_reply(body(refused), status=400), ask("gpt-4o", f"{HOSTILE} again")),
        )
    ):
        upstream.reply(reply)
        post(running, asked, x_session_id=f"session {number}", user_agent=f"{HOSTILE[:60]}")
    until(browser, lambda: len(running.query("SELECT 1 FROM responses")) == 3)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def base(proxy, browser) -> str:
    """The address of the pages, in a browser that has opened what the proxy printed."""
    until(browser, lambda: printed(proxy))
    browser.get(printed(proxy))
    return browser.current_url


def printed(proxy: Proxy) -> str:
    """The address for a browser that goes through no proxy."""
    found = re.findall(r"Pages at (http://127\S+)", proxy.log)
    return found[0] if found else ""


@pytest.fixture
def show(base, browser):
    """Opens a page by its path; what the page says."""

    def open_path(path: str) -> str:
        browser.get(base + path)
        return said(browser)

    browser.get_log("browser")
    return open_path


def said(browser) -> str:
    """What a person reads on the page."""
    return "\n".join(element.text for element in all_of(browser, "main"))


def exchange_path(proxy: Proxy, number: int) -> str:
    """Where one of the calls is shown, 0 being the first."""
    ids = [row["request_id"] for row in proxy.query("SELECT request_id FROM requests ORDER BY id")]
    return f"requests/{ids[number]}"


# What a person does


def test_the_printed_address_lists_the_exchanges(proxy, browser):
    until(browser, lambda: printed(proxy))
    browser.get(printed(proxy))
    assert "gpt-4o → anthropic/claude-sonnet-4-5 · 12 → 4 tokens · stop · " in said(browser)
    assert "token" not in browser.current_url


def test_a_message_stands_beside_what_became_of_it(proxy, show, browser):
    show(exchange_path(proxy, 0))
    sides = [side for side in all_of(browser, ".side") if "Where is Paris?" in side.text]
    left, right = (side.rect for side in sides)
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    assert "Hello there" in said(browser)


@pytest.fixture
def narrow(browser) -> Iterator[None]:
    """A window without room for two panels."""
    browser.set_window_size(700, 1000)
    yield
    browser.set_window_size(1400, 1000)


def test_it_is_told_whose_a_message_is_where_there_is_no_room(proxy, show, browser, narrow):
    show(exchange_path(proxy, 0))
    headings = [heading.rect["x"] for heading in all_of(browser, ".diptych h2")[:2]]
    sides = [side.rect for side in all_of(browser, ".side") if "Where is Paris?" in side.text]
    assert [side["x"] for side in sides] == headings
    assert headings[0] < headings[1]
    assert sides[0]["y"] < sides[1]["y"]


def test_headings_of_a_table_are_whole_words_where_there_is_no_room(show, browser, narrow):
    show("sessions")
    assert {heading.rect["height"] < 60 for heading in all_of(browser, "th")} == {True}


def test_charts_draw_what_was_called(show, browser):
    assert "3 in 3 sessions" in show("stats")
    heights = [bar.rect["height"] for bar in all_of(browser, "rect.first, rect.bad")]
    assert max(heights) == pytest.approx(120, abs=1)


def test_a_search_finds_what_was_said(show, browser):
    def found() -> bool:
        show("")
        (words,) = all_of(browser, "input[name=q]")
        words.send_keys("paris\n")
        until(browser, lambda: "q=paris" in browser.current_url)
        return len(all_of(browser, "tbody tr")) == 1

    # The index follows a little later.
    until(browser, found)


def test_the_links_lead_from_the_list_to_both_panels_and_the_session(show, browser):
    show("?model=gpt-4o")
    all_of(browser, "tbody tr:last-child td a")[0].click()
    until(browser, lambda: "What the provider heard" in said(browser))
    all_of(browser, "dd.id a")[0].click()
    until(browser, lambda: "Delete this session" in said(browser))
    assert "Where is Paris?" in said(browser)


def test_a_live_list_shows_a_call_that_comes(proxy, upstream, show, browser):
    assert "live-model" not in show("?live=1")
    upstream.reply(json_reply(body(CLAUDE)))
    post(proxy, ask("live-model"), x_session_id="to be deleted")
    until(browser, lambda: "live-model → " in browser.page_source)


def test_a_session_is_deleted_by_its_form(proxy, upstream, show, browser):
    upstream.reply(json_reply(body(CLAUDE)))
    post(proxy, ask("gpt-4o"), x_session_id="deleted by hand")
    count = "SELECT 1 FROM sessions WHERE id = 'deleted by hand'"
    until(browser, lambda: proxy.query(count))
    show("sessions/deleted by hand")
    all_of(browser, "summary")[0].click()
    all_of(browser, "button.danger")[0].click()
    until(browser, lambda: browser.current_url.endswith("/sessions"))
    assert "deleted by hand" not in browser.page_source
    assert not proxy.query(count)


# What a model, a client and a provider write


HOSTILE_PAGES = ("", "sessions", "sessions/session 1", "sessions/session 2")


@pytest.mark.parametrize("path", [*HOSTILE_PAGES, 1, 2])
def test_what_others_wrote_makes_no_element(proxy, show, browser, path):
    shown = show(path if isinstance(path, str) else exchange_path(proxy, path))
    assert "</pre></section></title><script>document.title" in shown
    assert [element.tag_name for element in all_of(browser, FOREIGN)] == []
    assert browser.title.endswith(" · Diptych")
    assert not {"\u202e", "\u2066"} & set(browser.page_source)


@pytest.mark.parametrize("path", ["nothing", "sessions/<script>", "?state=<script>"])
def test_an_address_makes_no_element_of_the_error(show, browser, path):
    show(path)
    assert all_of(browser, FOREIGN) == []


@pytest.mark.parametrize("path", [*HOSTILE_PAGES, "stats", "?live=1", 0, 1, 2])
def test_our_own_pages_keep_to_their_policy(proxy, show, browser, path):
    show(path if isinstance(path, str) else exchange_path(proxy, path))
    assert browser.get_log("browser") == []


# What another site tries, on another port of the same host: there the cookie is sent along


ATTACK = """<!doctype html><title>waiting</title><body><img id=image><iframe name=frame></iframe>
<form id=form method=post target=frame></form><script>
const base = BASE, told = {};
const ask = (name, path, options) => fetch(base + path, {credentials: "include", ...options})
  .then(answer => answer.text()).then(text => told[name] = text, () => told[name] = "failed");
const load = (name, element, path) => new Promise(done => {
  element.onload = () => { told[name] = "loaded"; done(); };
  element.onerror = () => { told[name] = "failed"; done(); };
  element.src = base + path;
});
const add = (tag) => document.body.appendChild(document.createElement(tag));
Promise.all([
  ask("cors", "api/requests"),
  ask("no-cors", "api/requests", {mode: "no-cors"}),
  ask("delete", "api/sessions/session 0", {method: "DELETE"}),
  ask("post", "sessions/session 0/delete", {method: "POST", mode: "no-cors"}),
  load("image", document.getElementById("image"), "icon.svg"),
  load("script", add("script"), "api/requests"),
]).then(() => {
  const frame = document.getElementsByName("frame")[0];
  frame.onload = () => { document.title = JSON.stringify(told); };
  document.getElementById("form").action = base + "sessions/session 0/delete";
  document.getElementById("form").submit();
});
</script>"""


@pytest.fixture
def foreign(base) -> Iterator[str]:
    """The address of a page that tries what it can."""
    page = ATTACK.replace("BASE", repr(base)).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_another_site_reads_nothing_and_changes_nothing(proxy, foreign, browser):
    browser.get(foreign)
    until(browser, lambda: browser.title != "waiting")
    tried = ("cors", "no-cors", "delete", "post", "image", "script")
    assert json.loads(browser.title) == dict.fromkeys(tried, "failed")
    assert proxy.query("SELECT 1 FROM sessions WHERE id = 'session 0'")


def test_another_site_shows_none_of_the_pages_in_a_frame(base, foreign, browser):
    browser.get(foreign)
    until(browser, lambda: browser.title != "waiting")
    browser.execute_script("document.getElementsByName('frame')[0].src = arguments[0]", base)
    browser.switch_to.frame("frame")
    until(browser, lambda: "ERR_BLOCKED" in browser.page_source)
    browser.switch_to.default_content()
