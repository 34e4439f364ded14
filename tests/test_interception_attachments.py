"""Addresses of images and files, and the data that takes their place."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from copy import deepcopy

import pytest

from interception import attachments
from interception.attachments import MOST_ADDRESSES, attach
from tests.upstream import Reply, Upstream
from transforms.contract import WEB, Call
from transforms.errors import RequestError

BOTH = {"image_url": WEB, "file": WEB}
HEADS = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/gif": b"GIF89a",
    "image/webp": b"RIFF\x10\x00\x00\x00WEBPVP8 ",
}


@pytest.fixture
def shelf():
    host = Upstream()
    yield host
    host.close()


def call(*parts: object) -> Call:
    said = [{"role": "system", "content": "Hi"}, {"role": "user", "content": [*parts]}]
    return Call({"model": "m", "messages": said, "seed": 1}, "m", "chatcmpl-1", 1)


def attached(asked: Call, fetches=BOTH) -> Call:
    messages = asked.request["messages"]
    in_parts = [at for at, each in enumerate(messages) if isinstance(each["content"], list)]
    return asyncio.run(attach(asked, fetches, in_parts, allow_private=True))


def image(url: object) -> dict:
    return {"type": "image_url", "image_url": url}


def url_of(asked: Call, at: int = 0) -> str:
    part = attached(asked).request["messages"][1]["content"][at]
    return part["image_url"]["url"] if part["type"] == "image_url" else part["file"]["file_data"]


def shown(data: bytes, content_type: str = "application/octet-stream") -> Reply:
    return Reply([data], content_type=content_type)


@pytest.mark.parametrize(
    ("part", "fetches"),
    [
        (image({"url": "http://127.0.0.1:1/"}), {}),
        (image({"url": "http://127.0.0.1:1/"}), {"image_url": ("https://",)}),
        (image({"url": "http://127.0.0.1:1/"}), {"file": WEB}),
        (image({"url": "data:image/png;base64,AA=="}), BOTH),
        (image("s3://bucket/a.png"), BOTH),
        (image({"url": 7}), BOTH),
        ({"type": "file", "file": {"file_id": "http://127.0.0.1:1/"}}, BOTH),
        ({"type": "text", "text": "http://127.0.0.1:1/"}, BOTH),
    ],
)
def test_a_call_without_anything_to_fetch_stays_as_it_is(part, fetches):
    asked = call(part)
    assert attached(asked, fetches) is asked


def test_the_clients_call_is_left_alone(shelf):
    shelf.reply(shown(HEADS["image/png"]))
    asked = call(image({"url": shelf.url, "detail": "low"}), {"type": "text", "text": "Hm"})
    before = deepcopy(asked.request)
    data = f"data:image/png;base64,{base64.b64encode(HEADS['image/png']).decode()}"
    expected = deepcopy(before)
    expected["messages"][1]["content"][0] = image({"url": data, "detail": "low"})
    assert attached(asked).request == expected
    assert asked.request == before


def test_an_address_may_be_bare(shelf):
    shelf.reply(shown(HEADS["image/gif"]))
    part = attached(call(image(shelf.url.upper()))).request["messages"][1]["content"][0]
    assert part["image_url"].startswith("data:image/gif;base64,")


@pytest.mark.parametrize("told", ["application/octet-stream", "image/x-wrong", ""])
@pytest.mark.parametrize("kind", HEADS)
def test_known_images_are_told_by_their_bytes(shelf, kind, told):
    shelf.reply(shown(HEADS[kind], told))
    assert url_of(call(image({"url": shelf.url}))).startswith(f"data:{kind};base64,")


def test_other_images_are_what_their_host_says(shelf):
    shelf.reply(shown(b"....ftypavif", "Image/AVIF; q=1"))
    assert url_of(call(image({"url": shelf.url}))).startswith("data:image/avif;base64,")


@pytest.mark.parametrize("told", ["text/csv", "application/octet-stream", "", "a,b"])
def test_a_file_may_be_of_any_kind(shelf, told):
    shelf.reply(shown(b"1,2", told))
    part = {"type": "file", "file": {"file_data": shelf.url, "filename": "a"}}
    kind = told if told == "text/csv" else "application/octet-stream"
    assert url_of(call(part)) == f"data:{kind};base64,MSwy"


def test_the_same_address_is_fetched_once(shelf):
    shelf.reply(shown(HEADS["image/png"]))
    attached(call(*[image({"url": shelf.url})] * (MOST_ADDRESSES + 1)))
    assert len(shelf.received) == 1


def test_too_many_addresses_are_refused_before_any_is_fetched(shelf):
    parts = [image({"url": f"{shelf.url}/{number}"}) for number in range(MOST_ADDRESSES + 1)]
    with pytest.raises(RequestError, match="more than 20 addresses") as caught:
        attached(call(*parts))
    assert caught.value.answer().param == "messages[1].content[20].image_url.url"
    assert shelf.received == []


def test_several_are_fetched_at_once(shelf):
    both_in = threading.Barrier(2)

    class Together(threading.Event):
        def wait(self, timeout=None):
            both_in.wait(timeout)
            return True

    shelf.reply(Reply([HEADS["image/png"]], before_head=Together()))
    attached(call(image({"url": f"{shelf.url}/a"}), image({"url": f"{shelf.url}/b"})))
    assert len(shelf.received) == 2


def test_the_first_part_that_fails_is_named(shelf):
    shelf.reply(shown(HEADS["image/png"]), Reply([b""], status=500))
    good = image({"url": shelf.url})
    file = {"type": "file", "file": {"file_data": "http://127.0.0.1:1/a.pdf"}}
    with pytest.raises(RequestError, match="data:application/pdf") as caught:
        attached(call(good, file))
    answer = caught.value.answer()
    assert (answer.status, answer.code) == (400, "invalid_file_url")
    assert answer.param == "messages[1].content[1].file.file_data"


def test_a_host_that_takes_too_long_is_given_up(shelf, monkeypatch):
    monkeypatch.setattr(attachments, "SECONDS", 0.3)
    never = threading.Event()
    shelf.reply(Reply([b"x"], before_head=never))
    started = time.monotonic()
    with pytest.raises(RequestError, match="did not answer in time"):
        attached(call(image({"url": shelf.url})))
    assert time.monotonic() - started < 3
    never.set()
