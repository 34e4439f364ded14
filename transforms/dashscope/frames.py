"""What a native frame says, and frames that repeat themselves made into ones that do not.

A plain answer is one frame. Of a stream each frame is asked to hold what is new; where a model does
not heed that, each holds all there is so far, calls and their arguments included. Nothing in a
frame says which it is, and text that repeats itself ("ha", "haha") looks like both for a while. So
a frame that begins with everything told before is held back until one of four things settles it:

- a frame that does not begin so: they were increments all along;
- a second frame that begins so and says more: they repeat;
- the finish, in a frame that begins so: they repeat;
- too many frames that say the same: they are increments, of a model that goes round in circles.

A stream of increments nearly always settles it with its second frame, and none is held. Log
probabilities are taken as they come.

Source: recorded exchanges of both kinds (2025-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from transforms.contract import JSON
from transforms.room import MOST_PARTS, Latest

Field = str | int
"""`content`, `reasoning_content`, or the index of a call, whose arguments are meant."""

_UNFINISHED = ("", "null")
"""`finish_reason` while there is more to come; one of them is a word for nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a frame says of one choice."""

    index: int
    texts: Mapping[Field, str]
    """Texts that say something."""

    calls: Mapping[int, tuple[str, str]]
    """Index of each call that is mentioned -> its id and name, `""` where they are not told."""

    finish: str
    """`""` while the choice is not finished."""

    logprobs: JSON | None


def read_frame(body: JSON) -> list[Told]:
    """The choices of a frame; `output.text`, the other result format, is read as one."""
    output = body.get("output")
    if not isinstance(output, dict):
        return []
    choices = output.get("choices")
    if isinstance(choices, list):
        return [_told(choice) for choice in choices if isinstance(choice, dict)]
    if not isinstance(output.get("text"), str):
        return []
    return [_told({**output, "message": {"content": output["text"]}})]


def _told(choice: JSON) -> Told:
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    texts: dict[Field, str] = {
        "reasoning_content": _text(message.get("reasoning_content")),
        "content": _text(message.get("content")),
    }
    calls: dict[int, tuple[str, str]] = {}
    listed = message.get("tool_calls")
    for position, call in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(call, dict):
            index = call["index"] if isinstance(call.get("index"), int) else position
            function = call.get("function")
            function = function if isinstance(function, dict) else {}
            calls[index] = (_text(call.get("id")), _text(function.get("name")))
            texts[index] = _text(function.get("arguments"))
    finish, index = _text(choice.get("finish_reason")), choice.get("index")
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    return Told(
        index=index if isinstance(index, int) else 0,
        texts={field: text for field, text in texts.items() if text},
        calls=calls,
        finish="" if finish in _UNFINISHED else finish,
        logprobs=logprobs if tokens and isinstance(tokens, list) else None,
    )


def _text(value: object) -> str:
    """Text, or the joined text of multimodal parts."""
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


_Place = tuple[int, Field]


class Increments:
    """Frames in, and out again with nothing said twice."""

    def __init__(self) -> None:
        self._repeat: bool | None = None
        self._growths = 0
        self._held: list[list[Told]] = []
        self._last: Latest[_Place, str] = Latest()
        self._said: Latest[_Place, str] = Latest()

    def take(self, frame: list[Told]) -> list[list[Told]]:
        """The frames that may go on, in their order."""
        if self._repeat is None and self._is_open(frame):
            self._held.append(frame)
            return []
        frames = [*self._held, frame]
        self._held = []
        return [self._increment(each) for each in frames]

    def _is_open(self, frame: list[Told]) -> bool:
        """Whether the frame leaves open if frames repeat; settles it where it can."""
        texts = {(told.index, field): text for told in frame for field, text in told.texts.items()}
        here = {told.index for told in frame}
        before = {place: text for place, text in self._last.items() if place[0] in here}
        for place, text in texts.items():
            self._last.put(place, text)
        if not before and len(self._held) < MOST_PARTS:
            return bool(self._held)
        begins_so = all(texts.get(place, "").startswith(text) for place, text in before.items())
        if not begins_so or len(self._held) >= MOST_PARTS:
            self._repeat = False
            return False
        self._growths += texts != before
        if self._growths > 1 or any(told.finish for told in frame):
            self._repeat = True
        return self._repeat is None

    def _increment(self, frame: list[Told]) -> list[Told]:
        if self._repeat is False:
            return frame
        return [
            replace(
                told,
                texts={
                    field: self._rest((told.index, field), text)
                    for field, text in told.texts.items()
                },
            )
            for told in frame
        ]

    def _rest(self, place: _Place, text: str) -> str:
        """What a text says beyond what has been said."""
        said = self._said.get(place, "")
        if not text.startswith(said):
            return ""
        self._said.put(place, text)
        return text[len(said) :]
