"""Images and files that a client names by address, for providers that take them as data alone.

They are put into a copy of the call as data URLs. The client's own request, and with it the
client's panel of the record, stays as it was sent.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from interception.messages import PRIVATE_HEADER
from interception.outgoing import Fetched, FetchError, PrivateAddressError, fetch
from transforms.contract import JSON, Call
from transforms.errors import RequestError
from transforms.media import media_type

LARGEST_BYTES = 20 * 1000 * 1000
SECONDS = 20
MOST_ADDRESSES = 20

_EXAMPLES = {
    "image_url": "data:image/png;base64,...",
    "file": "data:application/pdf;base64,...",
}
_CODES = {"image_url": "invalid_image_url", "file": "invalid_file_url"}
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_NO_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class _Remote:
    """A content part whose data is elsewhere."""

    message: int
    part: int
    kind: str
    url: str

    @property
    def param(self) -> str:
        place = f"messages[{self.message}].content[{self.part}]"
        return f"{place}.image_url.url" if self.kind == "image_url" else f"{place}.file.file_data"

    def refused(self, reason: str) -> RequestError:
        """The error that says what to do instead."""
        return RequestError(
            f"`{self.param}` cannot be used: {reason} Send the data itself as"
            f" `{_EXAMPLES[self.kind]}`.",
            param=self.param,
            code=_CODES[self.kind],
        )


async def attach(
    call: Call,
    fetches: Mapping[str, tuple[str, ...]],
    in_parts: Sequence[int],
    allow_private: bool = False,
) -> Call:
    """The call with data in place of the addresses that its provider does not fetch itself.

    `in_parts` are the places of those messages whose content is a list of parts.

    Raises:
        RequestError: something that cannot be fetched, or is not what it should be; names the
            part, and says what to send instead.
    """
    remotes = [*_remotes(call.request["messages"], in_parts, fetches)] if fetches else []
    if not remotes:
        return call
    urls = [*dict.fromkeys(remote.url for remote in remotes)]
    if len(urls) > MOST_ADDRESSES:
        beyond = next(remote for remote in remotes if remote.url == urls[MOST_ADDRESSES])
        raise beyond.refused(f"it is one of more than {MOST_ADDRESSES} addresses in one call.")
    fetched = await asyncio.gather(*(_fetched(url, allow_private) for url in urls))
    answers = dict(zip(urls, fetched, strict=True))
    data = {
        (remote.message, remote.part): _data_url(remote, answers[remote.url]) for remote in remotes
    }
    return replace(call, request=_with_data(call.request, data))


def _remotes(
    messages: list[JSON], in_parts: Sequence[int], fetches: Mapping[str, tuple[str, ...]]
) -> Iterator[_Remote]:
    for at in in_parts:
        for position, part in enumerate(messages[at]["content"]):
            kind = part["type"]
            url = _address(part)
            if kind in fetches and url.lower().startswith(fetches[kind]):
                yield _Remote(at, position, kind, url)


def _address(part: JSON) -> str:
    """What stands where the data should be."""
    match part:
        case {"type": "image_url", "image_url": str(url) | {"url": str(url)}}:
            return url
        case {"type": "file", "file": {"file_data": str(url)}}:
            return url
        case _:
            return ""


async def _fetched(url: str, allow_private: bool) -> Fetched | FetchError:
    try:
        return await fetch(
            url, largest_bytes=LARGEST_BYTES, seconds=SECONDS, allow_private=allow_private
        )
    except FetchError as exc:
        return exc


def _data_url(remote: _Remote, answer: Fetched | FetchError) -> str:
    if isinstance(answer, PrivateAddressError):
        raise remote.refused(
            f"{answer} A client on this machine may allow that by the header"
            f" `{PRIVATE_HEADER}: allow`."
        )
    if isinstance(answer, FetchError):
        raise remote.refused(str(answer))
    if answer.status != 200:
        raise remote.refused(f"its host answered HTTP {answer.status}.")
    if not answer.body:
        raise remote.refused("its host answered nothing.")
    kind = _media_type(answer)
    if remote.kind == "image_url" and not kind.startswith("image/"):
        raise remote.refused(f"what is there is no image but `{kind}`.")
    return f"data:{kind};base64,{base64.b64encode(answer.body).decode()}"


def _media_type(answer: Fetched) -> str:
    """By the bytes where they are known, for labels are often wrong."""
    known = media_type(answer.body)
    if known:
        return known
    label = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return label if _MEDIA_TYPE.fullmatch(label) else _NO_TYPE


def _with_data(request: JSON, data: Mapping[tuple[int, int], str]) -> JSON:
    """A copy of the request as far as it differs."""
    messages = [*request["messages"]]
    for (at, position), url in data.items():
        content = [*messages[at]["content"]]
        content[position] = _holding(content[position], url)
        messages[at] = {**messages[at], "content": content}
    return {**request, "messages": messages}


def _holding(part: JSON, url: str) -> JSON:
    if part["type"] == "file":
        return {**part, "file": {**part["file"], "file_data": url}}
    image = part["image_url"]
    return {**part, "image_url": {**image, "url": url} if isinstance(image, dict) else url}
