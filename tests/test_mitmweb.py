"""What a person sees: the real mitmweb with the real addon, looked at with a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.answers import CLAUDE, body, claude_events
from tests.browser import all_of, until
from tests.clients import ask, post
from tests.proxy import Proxy, free_port
from tests.upstream import json_reply, stream_reply

PASSWORD = "sesame"

HOSTILE = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def pages(tmp_path_factory, upstream, browser) -> Iterator[str]:
    """Address of mitmweb, after calls with a hostile answer, a streamed answer and an error."""
    web_port = free_port()
    proxy = Proxy(
        tmp_path_factory.mktemp("mitmweb"),
        program="mitmweb",
        routes=[f"gpt-4o=anthropic/claude-sonnet-4-5@{upstream.url}"],
        environment={"ANTHROPIC_API_KEY": "sk-ant-environment-key-0123456789"},
        options={
            "web_port": str(web_port),
            "web_open_browser": "false",
            "web_password": PASSWORD,
        },
    ).wait_until_up()
    hostile = {**CLAUDE, "content": [{"type": "text", "text": HOSTILE}]}
    limited = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}}
    for reply, asked in (
        (json_reply(body(hostile)), ask("gpt-4o", "Where is Paris?", temperature=0.5)),
        (stream_reply(claude_events()), ask("gpt-4o", stream=True)),
        (json_reply(body(limited), status=429), ask("gpt-4o")),
    ):
        upstream.reply(reply)
        post(proxy, asked)
    yield f"http://127.0.0.1:{web_port}/?token={PASSWORD}"
    proxy.stop()


class Page:
    """mitmweb's page, as a person uses it."""

    def __init__(self, browser, url: str) -> None:
        self._browser = browser
        browser.get(url)

    def open_flow(self, number: int) -> Page:
        """Clicks a flow in the list, 0 being the first."""
        self._until(lambda: len(self._all("td.col-path")) == 3)
        self._all("td.col-path")[number].click()
        return self

    def open_tab(self, name: str) -> Page:
        """Clicks a tab of the flow: Request, Response, Comment."""
        self._until(lambda: self._click(".flow-detail nav a", name))
        return self

    def choose_view(self, name: str) -> Page:
        """Picks a content view from the menu."""
        self._until(lambda: self._click(".controls a, .controls button", "View:"))
        self._until(lambda: self._click("ul.dropdown-menu li a, ul.dropdown-menu li", name))
        return self

    def wait_for(self, text: str) -> str:
        """What the flow's side of the page says, once this text is in it."""
        self._until(lambda: text in self.detail)
        return self.detail

    @property
    def detail(self) -> str:
        """What the flow's side of the page says."""
        return "\n".join(element.text for element in self._all(".flow-detail"))

    @property
    def title(self) -> str:
        return self._browser.title

    def made_elements(self) -> int:
        """How many elements of a body the browser took for its own."""
        return len(self._all(".flow-detail pre script, .flow-detail pre img"))

    def _all(self, selector: str):
        return all_of(self._browser, selector)

    def _click(self, selector: str, text: str) -> bool:
        for element in self._all(selector):
            if element.text.strip().lower().startswith(text.lower()):
                element.click()
                return True
        return False

    def _until(self, holds) -> None:
        until(self._browser, holds)


@pytest.fixture
def page(pages, browser) -> Page:
    return Page(browser, pages)


def test_the_comment_tells_what_became_of_the_call(page):
    said = page.open_flow(0).open_tab("Comment").wait_for("gpt-4o")
    assert "gpt-4o → anthropic/claude-sonnet-4-5 · 12 → 4 tokens · stop · " in said


def test_the_request_is_shown_as_a_conversation(page):
    said = page.open_flow(0).open_tab("Request").wait_for("── user ──")
    assert "request · claude-sonnet-4-5" in said
    assert "temperature: 0.5" in said
    assert "── user ──\n  Where is Paris?" in said


def test_a_streamed_answer_is_shown_whole(page):
    said = page.open_flow(1).open_tab("Response").wait_for("── end ──")
    assert "── assistant ──\n  Hello there" in said
    assert "finish_reason: stop" in said


def test_an_error_is_shown_in_words(page):
    said = page.open_flow(2).open_tab("Response").wait_for("Slow down.")
    assert "error · rate_limit_exceeded · " in said


def test_what_a_model_says_is_text_to_the_browser(page):
    said = page.open_flow(0).open_tab("Response").wait_for("</script>")
    assert "<script>document.title = 'owned'</script>" in said
    assert (page.made_elements(), page.title) == (0, "mitmproxy")


def test_the_request_of_the_client_can_be_reached(page):
    page.open_flow(0).open_tab("Request").wait_for("── user ──")
    said = page.choose_view("Client panel").wait_for('"model": "gpt-4o"')
    assert "# http://api.openai.invalid/v1/chat/completions" in said


def test_the_answer_of_the_provider_can_be_reached(page):
    page.open_flow(1).open_tab("Response").wait_for("── end ──")
    said = page.choose_view("Provider panel").wait_for('"stop_reason": "end_turn"')
    assert "# anthropic/claude-sonnet-4-5" in said
