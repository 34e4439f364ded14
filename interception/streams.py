"""Streamed answers on their way through: translated for routed calls, watched for bare ones.

Both are the callables that mitmproxy gives each piece of the body to, and `b""` at its end. The
rules of that contract are mitmproxy's: what is held back is `[]`, since `b""` in mid-stream would
end the client's body, and nothing may be raised, since an exception leaves the client waiting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from interception.decoding import ContentDecoder, UnreadableEncoding
from recording.faults import log_fault
from transforms.assembly import Assembler, split_completion
from transforms.contract import JSON, Call, ErrorAnswer, Event, Provider
from transforms.errors import ResponseError, TransformError
from transforms.framing import DONE, SSEDecoder, encode_event, parse_event
from transforms.json_text import loads
from transforms.room import Room

logger = logging.getLogger(__name__)

LARGEST_EVENT = 256 << 20
"""Bytes that are held for the end of an event, which may never come."""

KEEP_ALIVE_S = 5.0
"""Seconds without a word for the client, after which the provider's next sign of life is passed on:
a ping, a comment, or thoughts that it keeps to itself."""

KEEP_ALIVE = b": ping\n\n"
"""A comment, which clients pass over."""

INTERNAL_ERROR = ErrorAnswer(
    500,
    "Diptych failed to translate this call; the proxy's log has the details.",
    "translation_error",
)


class Translator:
    """A provider's stream in, OpenAI's stream out, chunk by chunk as the bytes arrive.

    The second border of the addon: whatever goes wrong becomes one OpenAI error event, and
    nothing is passed on after it, neither a finish nor `[DONE]`.
    """

    def __init__(
        self,
        provider: Provider,
        call: Call,
        encoding: str,
        on_piece: Callable[[bytes], None],
        told_to_client: Callable[[ErrorAnswer], ErrorAnswer],
    ) -> None:
        """`told_to_client` gives an error as the client may hear it: a provider may repeat keys."""
        self.error: ErrorAnswer | None = None
        self._told_to_client = told_to_client
        self._on_piece = on_piece
        self._content = ContentDecoder(encoding)
        self._frames = provider.decoder()
        self._stream = provider.open_stream(call)
        self._held = 0
        self._told = Assembler(self._stream.room)
        self._with_usage = wants_usage(call.request)
        self._done = False
        self._told_at = time.monotonic()

    @property
    def is_cut(self) -> bool:
        """The answer is too long to be kept whole."""
        return self._stream.room.is_full

    @property
    def complete(self) -> bool:
        """The client has got the whole answer, `[DONE]` included."""
        return self._done and self.error is None

    @property
    def ended(self) -> bool:
        """The client waits for nothing more."""
        return self.complete

    @property
    def provider_answer(self) -> JSON:
        """The provider's own answer as far as it has come."""
        return self._stream.answer

    def completion(self) -> JSON:
        """The `chat.completion` that the chunks so far amount to, usage included."""
        return self._told.completion()

    def __call__(self, piece: bytes) -> bytes | list[bytes]:
        """OpenAI's events for this piece; `b""` is the end of the body."""
        if self._done or self.error:
            return []
        try:
            translated = self._translate(piece)
        except TransformError as exc:
            translated = self.fail(exc.answer())
        except Exception:
            log_fault(logger, "The stream of a call could not be translated.")
            translated = self.fail(INTERNAL_ERROR)
        if translated:
            self._told_at = time.monotonic()
            return translated
        return self._sign_of_life() if piece else []

    def _sign_of_life(self) -> bytes | list[bytes]:
        now = time.monotonic()
        if now - self._told_at < KEEP_ALIVE_S:
            return []
        self._told_at = now
        return KEEP_ALIVE

    def fail(self, answer: ErrorAnswer) -> bytes:
        """The error event that ends the client's stream."""
        self.error = self._told_to_client(answer)
        return encode_event(self.error.body())

    def _translate(self, piece: bytes) -> bytes:
        if not piece:
            return self._events(self._frames.close(), at_end=True)
        self._on_piece(piece)
        told = self._content.decode(piece)
        events = self._frames.feed(told)
        self._held = _held(events, self._held, told)
        return self._events(events)

    def _events(self, events: list[Event], *, at_end: bool = False) -> bytes:
        told: list[bytes] = []
        try:
            for event in events:
                self._stream.room.take(len(event.data))
                self._tell(self._stream.feed(event), told)
            if at_end and not self._stream.finished:
                self._tell(self._stream.close(), told)
        except TransformError as exc:
            # What was translated before the error in the same piece still counts.
            told.append(self.fail(exc.answer()))
        else:
            if self._stream.finished or at_end:
                self._done = True
                told.append(DONE)
        return b"".join(told)

    def _tell(self, chunks: list[JSON], told: list[bytes]) -> None:
        for chunk in chunks:
            self._told.add(chunk)
            if self._with_usage or "usage" not in chunk:
                told.append(encode_event(chunk))


class Watcher:
    """A bare call's stream, passed on as it is and assembled for the record on the side."""

    def __init__(self, encoding: str, on_piece: Callable[[bytes], None]) -> None:
        self.unreadable = False
        self.error: ErrorAnswer | None = None
        self.complete = False
        self.ended = False
        """The client has `[DONE]`, and waits for nothing more."""
        self._on_piece = on_piece
        try:
            self._content = ContentDecoder(encoding)
        except UnreadableEncoding:
            self.unreadable = True
        self._frames = SSEDecoder()
        self._held = 0
        self._room = Room()
        self._told = Assembler(self._room)

    @property
    def is_cut(self) -> bool:
        """The answer is too long to be kept whole."""
        return self._room.is_full

    def completion(self) -> JSON:
        """The `chat.completion` that the chunks so far amount to."""
        return self._told.completion()

    @property
    def provider_answer(self) -> JSON:
        """Both panels of a bare call are the same."""
        return self.completion()

    def __call__(self, piece: bytes) -> bytes:
        """The piece itself."""
        try:
            self._watch(piece)
        except Exception:
            if not self.unreadable:
                logger.warning("A passing stream cannot be read; it is recorded up to here.")
            self.unreadable = True
            self._frames = SSEDecoder()
        return piece

    def _watch(self, piece: bytes) -> None:
        if piece:
            self._on_piece(piece)
        if self.unreadable:
            return
        told = self._content.decode(piece) if piece else b""
        frames = self._frames.feed(told) if piece else self._frames.close()
        self._held = _held(frames, self._held, told)
        for event in frames:
            self._room.take(len(event.data))
            data = event.data.strip()
            if data == b"[DONE]":
                self.complete = True
                self.ended = self.error is None
            elif data:
                self._add(parse_event(event))

    def _add(self, chunk: JSON) -> None:
        self._told.add(chunk)
        choices = chunk.get("choices")
        if isinstance(choices, list) and any(choice.get("finish_reason") for choice in choices):
            self.complete = True
        error = chunk.get("error")
        if error:
            message = error.get("message") if isinstance(error, dict) else error
            self.error = ErrorAnswer(200, str(message), "upstream_error")


def _held(events: list[Event], before: int, piece: bytes) -> int:
    """Bytes that wait for the end of an event, once this piece gave these events.

    Raises:
        ResponseError: there are too many.
    """
    held = 0 if events else before + len(piece)
    if held > LARGEST_EVENT:
        raise ResponseError(
            f"The provider's stream holds an event of more than {LARGEST_EVENT >> 20} MB."
        )
    return held


def wants_usage(request: JSON) -> bool:
    """Whether the client asked for the usage chunk."""
    return bool((request.get("stream_options") or {}).get("include_usage"))


def assemble(provider: Provider, call: Call, body: bytes) -> tuple[JSON, JSON]:
    """The `chat.completion`, and the provider's own answer, of a body received whole.

    The body may be plain or, from a provider that streams unasked, a stream.

    Raises:
        ResponseError: neither.
    """
    plain = _plain_body(body)
    if plain is not None:
        return provider.parse_response(call, plain), plain
    stream = provider.open_stream(call)
    decoder = provider.decoder()
    told = Assembler(stream.room)
    for event in decoder.feed(body) + decoder.close():
        for chunk in stream.feed(event):
            told.add(chunk)
    if not stream.finished:
        for chunk in stream.close():
            told.add(chunk)
    if stream.room.is_full:
        raise ResponseError("The provider's answer has too many parts.")
    return told.completion(), stream.answer


def _plain_body(body: bytes) -> JSON | None:
    try:
        plain = loads(body.strip())
    except ValueError:
        return None
    if isinstance(plain, list):
        # Gemini's streams may be one array; the provider's decoder knows.
        return None
    if not isinstance(plain, dict):
        raise ResponseError("The provider's answer is not a JSON object.")
    return plain


def stream_of(completion: JSON, *, with_usage: bool) -> bytes:
    """A plain answer as the stream that the client asked for."""
    events = [
        encode_event(chunk)
        for chunk in split_completion(completion)
        if with_usage or "usage" not in chunk
    ]
    return b"".join([*events, DONE])
