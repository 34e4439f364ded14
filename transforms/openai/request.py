"""Chat completion requests for OpenAI, for a host of its format, and for one nobody knows.

Written down here, because hosts give a number another range: a `temperature` above the host's
highest is sent as the highest. What is changed so is named among the dropped.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from transforms.beside import STREAM_OPTIONS, drop_beside_format
from transforms.chat_request import (
    NEUTRAL,
    content_parts,
    drop_unknown,
    present,
    saying_something,
    says_something,
    unknown_parameters,
)
from transforms.contract import CHAT_PARAMETERS, JSON, Call, ProviderRequest
from transforms.errors import unsupported
from transforms.json_text import dumps
from transforms.openai.messages import REASONING_SENT_BACK, build_messages, with_image_objects
from transforms.openai.quirks import EFFORTS, Door, Quirks, for_model
from transforms.openai.tools import put_tools
from transforms.schemas import JSON_ONLY
from transforms.tools import is_forced
from transforms.values import member

_SAYS_NOTHING: JSON = {
    "n": 1,
    "logprobs": False,
    "logit_bias": {},
    "metadata": {},
    "modalities": ["text"],
    "store": False,
    "presence_penalty": 0,
    "frequency_penalty": 0,
}
"""Values that equal absence. Hosts that do not know a parameter refuse it even so."""

_UNDEMANDING: JSON = {name: value for name, value in NEUTRAL.items() if name not in _SAYS_NOTHING}
"""Values that ask for what happens anyway, so that nothing is lost with them."""

_UNKNOWN = Quirks(custom_tools=True)
"""Of a host that may take all that OpenAI takes."""

_LEGACY = ("functions", "function_call")


def build_request(call: Call) -> ProviderRequest:
    """OpenAI's own API: everything is carried, but for reasoning that other providers gave.

    Drops: reasoning fields of assistant messages, which OpenAI's messages do not have.
    """
    body = _everything(call)
    dropped = {
        f"messages[].{name}"
        for message in body["messages"]
        for name in REASONING_SENT_BACK
        if name in message and says_something(message[name])
    }
    body["messages"] = [
        _without_reasoning(with_image_objects(message)) for message in body["messages"]
    ]
    return ProviderRequest("/v1/chat/completions", body, dropped=tuple(sorted(dropped)))


def build_compatible_request(
    call: Call, known: tuple[tuple[str, Quirks], ...] = ()
) -> ProviderRequest:
    """A host of which no more is known than its address: all that says something is carried,
    unknown parameters too.

    `known` holds regular expressions of addresses with what is known of the servers there; the
    first that is found decides.
    """
    quirks = next((quirks for at, quirks in known if re.search(at, call.base_url)), _UNKNOWN)
    dropped: list[str] = []
    body = saying_something(_everything(call), _SAYS_NOTHING)
    if not call.streams:
        body.pop("stream_options", None)
    put_tools(body, quirks, dropped)
    body["messages"] = [_for_anyone(message) for message in body["messages"]]
    _put_format(body, quirks, dropped)
    return ProviderRequest("/chat/completions", body, dropped=tuple(dropped))


def _for_anyone(message: JSON) -> JSON:
    """The message in shapes that every host reads."""
    message = _with_reasoning(with_image_objects(message))
    # Hosts that know the developer take the system for one.
    return {**message, "role": "system"} if message["role"] == "developer" else message


def _with_reasoning(message: JSON) -> JSON:
    """The message with its reasoning under both names: vLLM has read either one alone."""
    text = message.get("reasoning_content") or message.get("reasoning")
    if message["role"] != "assistant" or not text or not isinstance(text, str):
        return message
    return {**message, "reasoning_content": text, "reasoning": text}


def _everything(call: Call) -> JSON:
    body = {**call.request, "model": call.model}
    if call.streams:
        body["stream_options"] = {
            **(call.request.get("stream_options") or {}),
            "include_usage": True,
        }
    return body


def _without_reasoning(message: JSON) -> JSON:
    if not any(name in message for name in REASONING_SENT_BACK):
        return message
    return {name: value for name, value in message.items() if name not in REASONING_SENT_BACK}


def build_hosted_request(call: Call, quirks: Quirks) -> ProviderRequest:
    """A host whose quirks are known.

    Drops: what the host or the model does not take and that only tunes; what a value was changed
    for.

    Raises:
        RequestError: what would change the answer if it were ignored: several choices, audio,
            legacy functions, parts and tools of other kinds.
    """
    asked = present(call.request)
    door = quirks.door(call.base_url)
    _refuse(asked, call.model, quirks)
    dropped: list[str] = []
    body = _carried(asked, call.model, quirks, door, dropped)
    body["model"] = call.model
    _put_max_tokens(body, call.model, quirks, door, dropped)
    _put_effort(body, call.model, quirks, dropped)
    put_tools(body, quirks, dropped)
    thinks = _settle_thinking(body, call.model, quirks, dropped)
    _put_sampling(body, quirks, dropped)
    lost = quirks.reasoning.lost if thinks and body.get("tools") else None
    body["messages"] = build_messages(body["messages"], quirks, call.model, lost, dropped)
    _put_format(body, quirks, dropped)
    options = body.pop("stream_options", {})
    drop_unknown(options, STREAM_OPTIONS, "stream_options", dropped)
    if call.streams and quirks.stream_usage:
        body["stream_options"] = {"include_usage": True}
    body = {quirks.renamed.get(name, name): value for name, value in body.items()}
    path = door.path.replace("<model>", quote(call.model, safe=""))
    return ProviderRequest(path, body, dropped=tuple(dict.fromkeys(dropped)))


def _refuse(asked: JSON, model: str, quirks: Quirks) -> None:
    if not quirks.legacy_functions:
        for name in _LEGACY:
            if name in asked:
                raise unsupported(name, "belongs to an older API; send `tools` and `tool_choice`")
    single = not quirks.several_choices or _is_one_of(quirks.single_choice_for, model)
    if single and asked.get("n", 1) != 1:
        raise unsupported("n", f"is {asked['n']}; this provider gives one choice per request")
    modalities = asked.get("modalities", ["text"])
    if modalities not in ("text", ["text"]) and not quirks.other_modalities:
        raise unsupported("modalities", f"is {modalities}; this provider answers in text")
    stop = asked.get("stop")
    if quirks.most_stops and isinstance(stop, list) and len(stop) > quirks.most_stops:
        raise unsupported("stop", f"holds {len(stop)} texts; here it may be {quirks.most_stops}")


def _is_one_of(pattern: str, model: str) -> bool:
    return re.fullmatch(pattern, model, re.IGNORECASE) is not None


def _carried(asked: JSON, model: str, quirks: Quirks, door: Door, dropped: list[str]) -> JSON:
    """The parameters the host knows, in the client's order; the others are named."""
    refused = quirks.dropped | door.dropped | (for_model(quirks.dropped_for, model) or frozenset())
    said = saying_something(asked, _SAYS_NOTHING)
    carried = {
        name: value
        for name, value in said.items()
        if (quirks.only is None or name in quirks.only)
        and (name not in refused or name not in CHAT_PARAMETERS)
    }
    dropped += [
        name
        for name in unknown_parameters(said, carried.keys())
        if name not in _UNDEMANDING or said[name] != _UNDEMANDING[name]
    ]
    return carried


def _put_max_tokens(body: JSON, model: str, quirks: Quirks, door: Door, dropped: list[str]) -> None:
    """The limit under the host's name; of OpenAI's two names the newer one wins."""
    limit = body.get("max_completion_tokens")
    if limit is not None and body.pop("max_tokens", limit) != limit:
        dropped.append("max_tokens")
    name = for_model(door.max_tokens, model) or quirks.max_tokens
    for given in ("max_completion_tokens", "max_tokens"):
        if name and given != name and given in body:
            body[name] = body.pop(given)


def _put_effort(body: JSON, model: str, quirks: Quirks, dropped: list[str]) -> None:
    """`reasoning_effort` in the host's words; what the client said in those words goes first."""
    effort = body.get("reasoning_effort")
    words = for_model(quirks.efforts, model)
    if words is None or effort not in ("none", *EFFORTS):
        # OpenAI's words will do, or it is the host's own.
        return
    said = words.get(effort)
    own = {"thinking", "reasoning", "prompt_mode"} & body.keys()
    if said is None or (own and not quirks.effort_beside_thinking):
        del body["reasoning_effort"]
        dropped.append("reasoning_effort")
        return
    if said.get("reasoning_effort", "none") != effort:
        dropped.append("reasoning_effort")
    del body["reasoning_effort"]
    body.update({name: value for name, value in said.items() if name not in own})


def _settle_thinking(body: JSON, model: str, quirks: Quirks, dropped: list[str]) -> bool:
    """Whether the model will think; a call that is demanded can go before it."""
    thinking = body.get("thinking")
    switch = thinking.get("type") if isinstance(thinking, dict) else None
    by_itself = _is_one_of(quirks.thinking_models, model)
    thinks = switch == "enabled" or (by_itself and switch != "disabled")
    if thinks and quirks.forced_choice == "without_thinking" and is_forced(body.get("tool_choice")):
        dropped.extend(name for name in ("reasoning_effort", "thinking") if name in body)
        body.pop("reasoning_effort", None)
        body["thinking"] = {"type": "disabled"}
        return False
    if thinks:
        for name in sorted(quirks.dropped_when_thinking & body.keys()):
            if body.pop(name) != _UNDEMANDING.get(name):
                dropped.append(name)
    return thinks


def _put_sampling(body: JSON, quirks: Quirks, dropped: list[str]) -> None:
    most, temperature = quirks.most_temperature, body.get("temperature")
    if most is not None and temperature is not None and temperature > most:
        body["temperature"] = most
        dropped.append("temperature")
    top_p = body.get("top_p", 1)
    if not quirks.greedy_top_p and (top_p == 0 or (temperature == 0 and top_p != 1)):
        del body["top_p"]
        dropped.append("top_p")
    if quirks.one_penalty and {"presence_penalty", "frequency_penalty"} <= body.keys():
        del body["frequency_penalty"]
        dropped.append("frequency_penalty")
    if quirks.stop_as_list and isinstance(body.get("stop"), str):
        body["stop"] = [body["stop"]]
    if quirks.logprobs_as_count and "logprobs" in body:
        body["logprobs"] = body.pop("top_logprobs", None) or 1
    _put_service_tier(body, quirks, dropped)


def _put_service_tier(body: JSON, quirks: Quirks, dropped: list[str]) -> None:
    if quirks.service_tiers is None or "service_tier" not in body:
        return
    tier = body.pop("service_tier")
    told = quirks.service_tiers.get(tier, tier)
    if told in quirks.service_tiers.values():
        body["service_tier"] = told
    else:
        dropped.append("service_tier")


def _put_format(body: JSON, quirks: Quirks, dropped: list[str]) -> None:
    """Structured output as the host knows it: natively, or as JSON mode and a sentence."""
    wanted = body.get("response_format") or {}
    kind = wanted.get("type")
    if kind == "text":
        drop_beside_format(wanted, dropped)
        del body["response_format"]
    elif kind == "json_schema" and not quirks.json_schema:
        drop_beside_format(wanted, dropped)
        body["response_format"] = {"type": "json_object"}
        schema = dumps(member(wanted.get("json_schema"), "schema") or {}).decode()
        body["messages"] = _told_first(f"{JSON_ONLY} Its schema: {schema}", body["messages"])
    elif kind == "json_object" and not quirks.json_object:
        drop_beside_format(wanted, dropped)
        any_object = {"name": "answer", "schema": {"type": "object"}}
        body["response_format"] = {"type": "json_schema", "json_schema": any_object}
    elif kind == "json_object" and quirks.json_word and not _speak_of_json(body["messages"]):
        body["messages"] = _told_first(JSON_ONLY, body["messages"])


def _told_first(sentence: str, messages: list[JSON]) -> list[JSON]:
    """The messages with a sentence behind what the system says first."""
    place = 0
    while place < len(messages) and messages[place]["role"] == "system":
        place += 1
    return [*messages[:place], {"role": "system", "content": sentence}, *messages[place:]]


def _speak_of_json(messages: list[JSON]) -> bool:
    texts = (
        part.get("text") or ""
        for message in messages
        for part in content_parts(message.get("content"), "content")
    )
    return any("json" in text.lower() for text in texts)
