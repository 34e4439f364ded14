"""The case folders below `fixtures/`, and ways to run one through its provider.

A case is `fixtures/<provider>/<case>/` with its files named by role:

- `request.json`: what the client asked, always there;
- `provider_request.json`: `{"path", "headers", "body", "dropped"}` that must come of it;
- `provider_response.json` or `provider_stream.<framing>`: what the provider answered, with
  `response.json`, the `chat.completion` that must come of it;
- `provider_error.json`: `{"status", "body"}` as the provider answered;
- `error.json`: `{"status", "body", "headers"}` that must come of a refused request, an error
  answer, or an answer that breaks off;
- `case.toml`: `about`, `source`, `edited`, `model`, the provider's name for the model,
  `chat_id`, the chat that was made for the call, and `base_url` where it is not the provider's own.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from transforms import PROVIDERS
from transforms.assembly import Assembler
from transforms.contract import Call, ErrorAnswer, Event, Provider, Stream

FIXTURES = Path(__file__).parent / "fixtures"

STREAM = "provider_stream.*"


@dataclass(frozen=True)
class Case:
    """One case folder."""

    folder: Path

    @property
    def name(self) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def provider(self) -> Provider:
        return PROVIDERS[self.folder.parent.name]

    def has(self, role: str) -> bool:
        """Whether the case has a file of this role; a pattern will do."""
        return any(fnmatch(name, role) for name in _files(self.folder))

    def json(self, role: str) -> Any:
        """A JSON file of the case, read anew each time."""
        return json.loads((self.folder / f"{role}.json").read_text(encoding="utf-8"))

    @property
    def about(self) -> dict[str, str]:
        return tomllib.loads((self.folder / "case.toml").read_text(encoding="utf-8"))

    @property
    def call(self) -> Call:
        """The call as the addon would make it."""
        request = self.json("request")
        model = self.about.get("model", request["model"])
        return Call(
            request,
            model,
            completion_id="chatcmpl-fixture",
            created=1700000000,
            base_url=self.about.get("base_url", ""),
            chat_id=self.about.get("chat_id", ""),
        )

    @property
    def stream(self) -> bytes:
        """The bytes the provider streamed."""
        (path,) = self.folder.glob(STREAM)
        return path.read_bytes()

    @property
    def is_text_stream(self) -> bool:
        """Whether the stream is framed by lines, so that line ends mean nothing."""
        return self.has("provider_stream.sse") or self.has("provider_stream.ndjson")


@cache
def _files(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.glob("*"))


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case folder."""
    return tuple(Case(path.parent) for path in sorted(FIXTURES.glob("*/*/case.toml")))


def params(*roles: str, without: str | None = None) -> list[Any]:
    """The cases that have a file of each role, as pytest parameters."""
    return [
        pytest.param(case, id=case.name)
        for case in all_cases()
        if all(case.has(role) for role in roles) and not (without and case.has(without))
    ]


def decode(provider: Provider, pieces: Iterable[bytes]) -> list[Event]:
    """The events of a body that arrives in these pieces."""
    decoder = provider.decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close()


def feed_all(stream: Stream, events: Iterable[Event]) -> list[dict[str, Any]]:
    """The chunks for all of these events."""
    return [chunk for event in events for chunk in stream.feed(event)]


def run_stream(case: Case, pieces: Iterable[bytes]) -> tuple[list[dict[str, Any]], Stream]:
    """The chunks of a body that arrives in these pieces, to its end."""
    stream = case.provider.open_stream(case.call)
    chunks = feed_all(stream, decode(case.provider, pieces))
    return chunks + stream.close(), stream


def fold(chunks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The `chat.completion` the chunks amount to."""
    assembler = Assembler()
    for chunk in chunks:
        assembler.add(chunk)
    return assembler.completion()


def told_error(answer: ErrorAnswer) -> dict[str, Any]:
    """An error answer in the shape of `error.json`."""
    return {"status": answer.status, "body": answer.body(), "headers": dict(answer.headers)}


def meant(completion: dict[str, Any]) -> dict[str, Any]:
    """The completion but for spellings: a member that is null in a plain answer is simply not
    streamed, and streamed arguments come with the provider's own spaces."""
    completion = without_nulls(completion)
    for choice in completion["choices"]:
        for call in choice["message"].get("tool_calls", []):
            if "function" in call:
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return completion


def without_nulls(value: Any) -> Any:
    """The value without members that are null, at any depth: in OpenAI's objects null and
    absence mean the same, and only plain answers spell it out."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
