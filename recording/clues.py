"""What ties a call to a conversation whose history it does not repeat, told from the wire.

A clue is a digest of something that two calls of one conversation share: a question, an exchange,
a summary. The client's name and a piece of the digest of its key go into every clue, so that
nobody's calls get mixed up with another's who happened to say the same.

`placing` has the rules by which clues are used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice, pairwise

import msgspec

from recording.bodies import answer_messages, digest_of
from recording.sessions import abridged, content_text, last_answer, message_digest
from recording.states import is_counted_id
from transforms.contract import JSON

TELLING = 200
"""Characters of an answer. Shorter ones may be given to others too, by chance."""

_KEY_HEADERS = ("authorization", "x-api-key", "api-key")
_WHO = 8
"""Hex digits: enough to tell clients apart, too few to try out keys on."""

_INVENTED = 8
"""Messages at most of an assistant that nobody heard say them: aider ends a history in a few."""

_FIRST = 4
"""Where the summary of a history that was left out stands: among the first messages."""

_SPOKEN = re.compile(r"^[ \t#]*(USER|ASSISTANT)[ \t]*(?::|$)", re.MULTILINE | re.IGNORECASE)
"""Who speaks, in a conversation that is told as a text: `USER: …` or `# USER` above it."""


class RequestClues(msgspec.Struct):
    """What a request shares with others of its conversation."""

    opening: str | None = None
    """The last question before the first answer; None once there is one."""
    offers_tools: bool = False
    exchange: str | None = None
    """Its last answer that is unlike others', with what that followed."""
    summaries: list[str] = []
    """Long texts at its beginning, any of which may stand for a history that was left out."""
    quoted: str | None = None
    """The last exchange of a conversation that is told as a text within one message."""


def who(headers: Mapping[str, str]) -> str:
    """The client, by its name and its key."""
    values = [headers.get(name, "") for name in ("user-agent", *_KEY_HEADERS)]
    return _digest(*values)[:_WHO]


def request_clues(client: str, said: list[JSON], *, offers_tools: bool) -> RequestClues:
    """The clues of a request in which this is said."""
    if last_answer(said) is not None:
        return RequestClues(
            offers_tools=offers_tools,
            exchange=_last_exchange(client, said),
            summaries=_summaries(client, said),
        )
    asked = content_text(said[-1].get("content")).strip() if said else ""
    return RequestClues(
        opening=_digest("opening", client, asked) if asked else None,
        offers_tools=offers_tools,
        summaries=_summaries(client, said),
        quoted=_quoted(client, asked) if len(said) == 1 and not offers_tools else None,
    )


def answer_clues(client: str, before: str, answer: JSON) -> list[str]:
    """The clues of an answer, by which a later request may tell that it follows."""
    found: list[str] = []
    for _, message in answer_messages(answer):
        text = content_text(message.get("content")).strip()
        told = [message]
        if text and _first_call_id(message):
            # Some clients send calls back without what was said before them.
            told.append({**message, "content": None})
        elif text:
            found.append(_quotation(client, before, text))
        found += filter(None, (exchange(client, before, each) for each in told))
    return found


def answer_summaries(client: str, answer: JSON) -> list[str]:
    """What an answer would be found by if it were the summary of a conversation."""
    texts = [content_text(message.get("content")) for _, message in answer_messages(answer)]
    return [summary for text in texts if (summary := _summary(client, text))]


def brief(said: list[JSON]) -> str:
    """What an answer follows: the last of the messages, by its role, its length and its ends."""
    if not said:
        return ""
    return _brief(said[-1].get("role"), content_text(said[-1].get("content")))


def exchange(client: str, before: str, answer: JSON) -> str | None:
    """The clue of an answer with what it follows; None where others may have said the same."""
    call_id = _first_call_id(answer)
    if call_id is not None and is_counted_id(call_id):
        call_id = None
    if call_id is None and len(content_text(answer.get("content"))) < TELLING:
        return None
    digest = message_digest({**answer, "role": "assistant"}).hex()
    return _digest("exchange", client, before, digest, call_id or "")


def _last_exchange(client: str, said: list[JSON]) -> str | None:
    places = (at for at in reversed(range(len(said))) if said[at].get("role") == "assistant")
    found = (
        exchange(client, brief(said[max(at - 1, 0) : at]), said[at])
        for at in islice(places, _INVENTED)
    )
    return next(filter(None, found), None)


def retry(client: str, digest: str) -> str:
    """The clue of a request that got no whole answer, by the digest of its conversation."""
    return _digest("retry", client, digest)


def opening(clues: RequestClues, *, aside: bool) -> str | None:
    """The clue of a conversation's first question, or of a call beside it that repeats it."""
    return clues.opening and _digest("aside" if aside else "main", clues.opening)


def _brief(role: object, text: str) -> str:
    return abridged(role, text.strip())


def _summaries(client: str, said: list[JSON]) -> list[str]:
    """The last message is what is asked now, and stands for nothing."""
    texts = [content_text(message.get("content")) for message in said[: min(_FIRST, len(said) - 1)]]
    return [summary for text in texts if (summary := _summary(client, text))]


def _summary(client: str, text: str) -> str | None:
    text = text.strip()
    return _digest("summary", client, text) if len(text) >= TELLING else None


def _quoted(client: str, text: str) -> str | None:
    """Of a text such as `USER: … ASSISTANT: …`, the last question and the answer to it."""
    _, *spoken = _SPOKEN.split(text)
    turns = [
        (role.lower(), words.strip()) for role, words in zip(spoken[::2], spoken[1::2], strict=True)
    ]
    for (asks, question), (answers, answer) in reversed(list(pairwise(turns))):
        if (asks, answers) == ("user", "assistant") and question and answer:
            return _quotation(client, _brief("user", question), answer)
    return None


def _quotation(client: str, before: str, answer: str) -> str:
    # Only the first line of the answer: nobody knows where a quoted one ends.
    return _digest("quotation", client, before, answer.partition("\n")[0].strip())


def _first_call_id(message: JSON) -> str | None:
    calls = message.get("tool_calls")
    first = calls[0] if isinstance(calls, list) and calls else None
    call_id = first.get("id") if isinstance(first, dict) else None
    return call_id if isinstance(call_id, str) else None


def _digest(*texts: str) -> str:
    joined = "\0".join(texts).encode("utf-8", "surrogatepass")
    return digest_of(joined).hex()
