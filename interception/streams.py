"""Streamed answers on their way through: translated for routed calls, watched for bare ones.

Both are the callables that mitmproxy gives each piece of the body to, and `b""` at its end. The
rules of that contract are mitmproxy's: what is held back is `[]`, since `b""` in mid-stream would
end the client's body, and nothing may be raised, since an exception leaves the client waiting.
"""

from __future__ import annotations

import logging
import time
from codecs import BOM_UTF8
from collections.abc import Callable

from interception.decoding import ContentDecoder, UnreadableEncoding
from recording.faults import log_fault
from transforms.assembly import Assembler, one_call_each, split_completion
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
        for_client: Callable[[ErrorAnswer], ErrorAnswer],
    ) -> None:
        """`for_client` gives an error as the client may hear it: a provider may repeat keys."""
        self.error: ErrorAnswer | None = None
        self._for_client = for_client
        self._on_piece = on_piece
        self._content = ContentDecoder(encoding)
        self._frames = provider.decoder()
        self._stream = provider.open_stream(call)
        self._held = 0
        self._assembler = Assembler(self._stream.room)
        self._with_usage = wants_usage(call.request)
        self._done = False
        self._last_word_at = time.monotonic()

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
        """The client has `[DONE]`, and waits for nothing more."""
        return self.complete

    @property
    def provider_answer(self) -> JSON:
        """The provider's own answer as far as it has come."""
        return self._stream.answer

    def completion(self) -> JSON:
        """The `chat.completion` that the chunks so far amount to, usage included."""
        completion = self._assembler.completion()
        counted = self._stream.usage
        # What broke off never came to the chunk with the usage.
        return completion if counted is None else {**completion, "usage": counted}

    def __call__(self, piece: bytes) -> bytes | list[bytes]:
        """OpenAI's events for this piece; `b""` is the end of the body."""
        if self._done or self.error:
            return []
        pieces: list[bytes] = []
        try:
            self._translate(piece, pieces)
        except TransformError as exc:
            # What was translated before the error in the same piece still counts.
            pieces.append(self.fail(exc.answer()))
        except Exception:
            log_fault(logger, "The stream of a call could not be translated.")
            pieces.append(self.fail(INTERNAL_ERROR))
        if pieces:
            self._last_word_at = time.monotonic()
            return b"".join(pieces)
        return self._sign_of_life() if piece else []

    def _sign_of_life(self) -> bytes | list[bytes]:
        now = time.monotonic()
        if now - self._last_word_at < KEEP_ALIVE_S:
            return []
        self._last_word_at = now
        return KEEP_ALIVE

    def fail(self, answer: ErrorAnswer) -> bytes:
        """The error event that ends the client's stream."""
        self.error = self._for_client(answer)
        return encode_event(self.error.body())

    def _translate(self, piece: bytes, pieces: list[bytes]) -> None:
        if not piece:
            self._end(pieces)
            return
        self._on_piece(piece)
        try:
            for decoded in self._content.decode(piece):
                events = self._frames.feed(decoded)
                self._held = _held(events, self._held, decoded)
                self._add(events, pieces)
                if self._done:
                    return
        except UnreadableEncoding as exc:
            raise ResponseError(f"The provider's stream cannot be read: {exc}.") from exc

    def _end(self, pieces: list[bytes]) -> None:
        self._add(self._frames.close(), pieces)
        if self._done:
            return
        self._send(self._stream.close(), pieces)
        self._finish(pieces)

    def _add(self, events: list[Event], pieces: list[bytes]) -> None:
        for event in events:
            self._stream.room.take(len(event.data))
            self._send(self._stream.feed(event), pieces)
        if self._stream.finished:
            self._finish(pieces)

    def _finish(self, pieces: list[bytes]) -> None:
        self._done = True
        pieces.append(DONE)

    def _send(self, chunks: list[JSON], pieces: list[bytes]) -> None:
        for chunk in chunks:
            self._assembler.add(chunk)
            if self._with_usage or "usage" not in chunk:
                pieces.extend(map(encode_event, one_call_each(chunk)))


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
        self._assembler = Assembler(self._room)

    @property
    def is_cut(self) -> bool:
        """The answer is too long to be kept whole."""
        return self._room.is_full

    def completion(self) -> JSON:
        """The `chat.completion` that the chunks so far amount to."""
        return self._assembler.completion()

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
        if not piece:
            self._read(self._frames.close())
            return
        for decoded in self._content.decode(piece):
            events = self._frames.feed(decoded)
            self._held = _held(events, self._held, decoded)
            self._read(events)

    def _read(self, events: list[Event]) -> None:
        for event in events:
            self._room.take(len(event.data))
            data = event.data.strip()
            if data == b"[DONE]":
                self.complete = True
                self.ended = self.error is None
            elif data:
                self._add(parse_event(event))

    def _add(self, chunk: JSON) -> None:
        self._assembler.add(chunk)
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
    assembler = Assembler(stream.room)
    received = decoder.feed(body) + decoder.close()
    if not received:
        raise ResponseError("The provider's answer is neither JSON nor a stream of events.")
    for event in received:
        for chunk in stream.feed(event):
            assembler.add(chunk)
    if not stream.finished:
        for chunk in stream.close():
            assembler.add(chunk)
    if stream.room.is_full:
        raise ResponseError("The provider's answer has too many parts.")
    return assembler.completion(), stream.answer


def _plain_body(body: bytes) -> JSON | None:
    try:
        plain = loads(body.removeprefix(BOM_UTF8).strip())
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
