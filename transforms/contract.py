"""What a provider offers, and the values that cross the border to it.

Everything here is data. A provider module turns a `Call` into a `ProviderRequest`, and the
provider's answer, plain or streamed, into OpenAI's `chat.completion` or
`chat.completion.chunk`. It never opens a connection, reads a clock or knows a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from transforms.room import Room

JSON = dict[str, Any]
"""One JSON object."""

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]

CHAT_PARAMETERS = (
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_completion_tokens",
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "reasoning_effort",
    "verbosity",
    "modalities",
    "audio",
    "prediction",
    "web_search_options",
    "metadata",
    "store",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "moderation",
)
"""Every parameter of OpenAI's chat completions. A provider carries, drops by name or refuses
each; the contract tests ask all of them of every provider."""


@dataclass(frozen=True, slots=True)
class Call:
    """One chat completion as the client asked for it."""

    request: JSON
    """The OpenAI body, checked by `chat_request.check_request`; never changed in place."""

    model: str
    """The provider's name for the model, from the route."""

    completion_id: str
    """Used where the provider gives no id. Made outside, so that the same call always gives
    the same answer."""

    created: int
    """Unix seconds, made outside. Used where the provider tells no time."""

    base_url: str = ""
    """Where the request will go, filled in; a provider with several doors is built for the one it
    leads to."""

    chat_id: str = ""
    """The chat that was made for this call, at a provider that keeps conversations itself."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """What the route sets of the provider's `settings`."""

    begins: bool = False
    """Whether to tell the whole conversation, as to a provider that has kept none of it. Set for a
    second try, after the provider said that it keeps the conversation no longer."""

    account: str = ""
    """Tells one login from another without telling either; what a provider keeps for one is
    nothing to the other."""

    names: frozenset[str] = frozenset()
    """What documents in earlier messages are called, where `drafts` has only the later ones built:
    a new document may not bear the same name."""

    @property
    def streams(self) -> bool:
        """Whether the client asked for a stream."""
        return self.request.get("stream") is True

    def tool_call_id(self, index: int) -> str:
        """The id of a tool call to which the provider gave none."""
        return f"call_{self.completion_id.removeprefix('chatcmpl-')}_{index}"

    def head(self, answer_id: object = None) -> JSON:
        """What a completion and each of its chunks have in common, where the provider tells
        nothing of it but an id, or not even that."""
        is_told = isinstance(answer_id, str) and answer_id
        return {
            "id": f"chatcmpl-{answer_id}" if is_told else self.completion_id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.request["model"],
        }


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """What is sent to the provider."""

    path: str
    """Path of the provider's own API, with a leading slash."""

    body: JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    """Beside content type and key, which are filled in outside."""

    dropped: tuple[str, ...] = ()
    """OpenAI parameters this provider cannot carry."""

    names: frozenset[str] = frozenset()
    """What all documents are called, those of earlier messages included, where no two may bear the
    same name."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error as OpenAI would have answered it."""

    status: int
    message: str
    type: str
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers for the client, such as `x-should-retry`."""

    details: JSON = field(default_factory=dict)
    """Members beside OpenAI's four that clients of a provider read; hardly ever any."""

    def body(self) -> JSON:
        """The OpenAI error body; all four keys are always there."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
                **self.details,
            }
        }


class Event(NamedTuple):
    """One framed message of a stream; a tuple, because there is one for every few bytes."""

    name: str
    """The event's name on the wire, `""` where the framing has none."""

    data: bytes


class Decoder(Protocol):
    """Bytes to events, however the bytes are split."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events completed by this piece."""

    def close(self) -> list[Event]:
        """The event left over at the end of the body, if any."""


class Stream(Protocol):
    """One streamed answer on its way to OpenAI chunks."""

    finished: bool
    """The provider has said that the answer is whole."""

    room: Room
    """How much may still be kept, for `answer` and until the end of the stream. When it is full the
    chunks still tell everything, but for lists, which are told at the end."""

    @property
    def usage(self) -> JSON | None:
        """The tokens counted so far, in OpenAI's form, for an answer that breaks off; None where
        the provider has told none, as those do that tell them with the end alone."""

    @property
    def answer(self) -> JSON:
        """The provider's own plain answer as far as it has been told; the provider's panel of
        the record."""

    def feed(self, event: Event) -> list[JSON]:
        """Zero, one or many `chat.completion.chunk` objects.

        The usage chunk always comes when the provider reported usage; whether the client asked
        for it is decided outside.

        Raises:
            ResponseError: the provider reported an error, or broke its own format.
        """

    def close(self) -> list[JSON]:
        """The chunks that were waiting for the end of the body.

        Raises:
            ResponseError: the end came too early.
        """


@dataclass(frozen=True, slots=True)
class Auth:
    """Which header carries the key."""

    header: str = "authorization"
    prefix: str = "Bearer "
    beside: Mapping[str, str] = field(default_factory=dict)
    """Headers that go along with the key in the customary variable, each with the variable that
    holds its value. As secret as the key; a variable that is not set is no header."""

    def headers(self, key: str) -> dict[str, str]:
        """The header with the key in it."""
        return {self.header: self.prefix + key}


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A request as it will be sent, for providers that want it signed."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    time: int
    """Unix seconds."""


WEB = ("http://", "https://")
"""How a web address begins."""


@dataclass(frozen=True, slots=True)
class NewChat:
    """How a provider is asked for a chat before the first turn in it."""

    build_request: Callable[[Call], ProviderRequest]
    """Asks for a new chat."""

    parse_response: Callable[[JSON], str]
    """The id of the new chat. Raises ResponseError."""


@dataclass(frozen=True, slots=True)
class Chats:
    """How a call goes on in a conversation that the provider keeps itself."""

    goes_on: Callable[[Call], bool]
    """Whether it does; never where it `begins`."""

    is_lost: Callable[[ErrorAnswer], bool]
    """Whether an error tells that the provider keeps that conversation no longer."""

    new: NewChat | None = None
    """Where a conversation cannot begin without a chat that was made for it."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider: where it is, how it is spoken to, and the four transforms."""

    name: str
    base_url: str
    """Scheme and host, and a path only where a host serves the format below one; `""` when
    the route must name it. `{NAME}` or `{NAME:default}` is filled in from the environment, here
    and in the path of a request."""

    key_variable: str | None
    """The customary environment variable; None where no key is customary."""

    decoder: Callable[[], Decoder]
    """Framing of its streams."""

    build_request: Callable[[Call], ProviderRequest]
    """Raises RequestError for what the provider cannot do."""

    parse_response: Callable[[Call, JSON], JSON]
    """A plain answer to a `chat.completion`. Raises ResponseError."""

    parse_error: Callable[[int, object], ErrorAnswer]
    """HTTP status and parsed body (or text) to OpenAI's error."""

    open_stream: Callable[[Call], Stream]
    auth: Auth = Auth()
    key_required: bool = True
    sign: Callable[[Unsigned, Mapping[str, str]], Mapping[str, str]] | None = None
    """Signed headers of a request, made from the environment's credentials where there is no key
    in `key_variable`. Raises RequestError, with status 401, that names what is missing."""

    fetches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Kinds of content part that this provider wants as data where OpenAI would take an address,
    each with the beginnings of such addresses. What is there is fetched outside, so that
    `build_request` finds a data URL in its place."""

    error_name: tuple[str, str] | None = None
    """The header that names an error, and the member of its body that may do so in its place:
    `parse_error` finds the name under the latter."""

    stream_mark: bytes = b""
    """Bytes found in every stream of this format; set where another format's decoder would accept
    it too."""

    turns: str = ""
    """Name of the body's list of turns. Set only where the turns built for the messages up to an
    answer never change when more follow; `drafts` builds on that."""

    chats: Chats | None = None
    """Where the provider keeps conversations."""

    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a route may set in the query of its base URL, each with the values that it takes."""
