"""`generateContent` and `streamGenerateContent` from a chat completion request.

Written down here, because the ranges differ: a `seed` is brought below 2^31, and a penalty of 2
is sent as 1.99, the range being half open. What is changed so is named among the dropped.
`extra_body.google` holds what Google's own OpenAI layer takes there.

Source: Gemini API reference, "GenerateContentRequest"; "OpenAI compatibility" (2026-09).
"""

from __future__ import annotations

import re
from urllib.parse import quote

from transforms.beside import ENFORCED, unknown_members
from transforms.chat_request import NEUTRAL, drop_unknown, saying_something, unknown_parameters
from transforms.contract import JSON, Call, ProviderRequest
from transforms.errors import RequestError, unsupported
from transforms.gemini.messages import build_contents
from transforms.gemini.models import ModelRules, rules_for
from transforms.gemini.tools import build_tools
from transforms.schemas import without_dialect

_RENAMED = {
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
}
"""Parameter -> member of `generationConfig`. Of two that mean the same, the later wins."""

_PENALTIES = {"presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty"}

_CARRIED = frozenset(
    {"model", "messages", "stream", "stream_options", "n", "stop", "seed", "logprobs"}
    | {"top_logprobs", "response_format", "tools", "tool_choice", "reasoning_effort"}
    | {"modalities", "web_search_options", "service_tier", "extra_body"}
    | {*_RENAMED, *_PENALTIES}
)
"""What the functions below answer for; all else is dropped by name."""

_REFUSED = {
    "audio": "asks for audio, which Gemini gives in no format of OpenAI's",
    "functions": "belongs to an older API; send `tools`",
    "function_call": "belongs to an older API; send `tool_choice`",
}
"""Parameters whose absence would change what the client gets."""

_MOST_CHOICES = 8
_MOST_STOPS = 5
_SEEDS = 2**31
_LARGEST_PENALTY = 1.99

_MODALITIES = {"text": "TEXT", "image": "IMAGE"}

_SERVICE_TIERS = {
    "default": "standard",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}

_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576}
"""`reasoning_effort` -> tokens of thinking, as Google's own OpenAI layer has it."""

_LEVELS = {"low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH", "max": "HIGH"}
"""`reasoning_effort` -> level of thinking; the lower ones are the model's least."""

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_OWN = {
    "thinking_config": "thinkingConfig",
    "cached_content": "cachedContent",
    "safety_settings": "safetySettings",
}
"""Members of `extra_body.google`, in either spelling -> Gemini's."""

_RESOLUTIONS = ("MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_HIGH")
"""For a whole request, the lower first."""

_VERTEX_MODELS = "/v1beta1/projects/{{GOOGLE_CLOUD_PROJECT}}/locations/{location}/publishers/google"
_EXPRESS = "/publishers/google"
_REGIONAL_HOST = re.compile(
    r"https://(?:(?P<region>[a-z0-9-]+)-aiplatform|aiplatform\.(?P<area>[a-z]+)\.rep)\."
)


def build_request(call: Call) -> ProviderRequest:
    """The request for the Developer API.

    Drops: what only tunes and has no counterpart, descriptions of response formats, effort where
    the model does not think, and what a cached beginning already holds.

    Raises:
        RequestError: a parameter, part or tool that Gemini cannot do.
    """
    return _build(call, "/v1beta")


def build_vertex_request(call: Call) -> ProviderRequest:
    """The request for Vertex AI, where models lie below a project and a location.

    A regional host names its location, the global one takes it from the environment. Express
    mode has neither: there the address ends in `/publishers/google`.

    Raises:
        RequestError: as for the Developer API.
    """
    base_url = call.base_url.rstrip("/")
    if base_url.endswith(_EXPRESS):
        return _build(call, "")
    host = _REGIONAL_HOST.match(base_url)
    location = (host["region"] or host["area"]) if host else "{GOOGLE_CLOUD_LOCATION:global}"
    return _build(call, _VERTEX_MODELS.format(location=location))


def _build(call: Call, root: str) -> ProviderRequest:
    asked = saying_something(call.request, NEUTRAL)
    for name, reason in _REFUSED.items():
        if name in asked:
            raise unsupported(name, reason)
    dropped = unknown_parameters(asked, _CARRIED)
    dropped += unknown_members(asked, schema=ENFORCED)
    rules, own = rules_for(call.model), _own(asked, dropped)
    system, contents = build_contents(asked["messages"], rules, dropped)
    body: JSON = {
        "systemInstruction": {"parts": system} if system else None,
        "contents": contents,
        **build_tools(asked, dropped),
        "generationConfig": _generation_config(asked, own, rules, contents, dropped),
        "safetySettings": own.get("safetySettings"),
        "cachedContent": own.get("cachedContent"),
        "serviceTier": _service_tier(asked, dropped),
    }
    if body["cachedContent"]:
        _leave_to_cache(body, dropped)
    body = {name: value for name, value in body.items() if value}
    return ProviderRequest(_path(call, root), body, dropped=tuple(dict.fromkeys(dropped)))


def _path(call: Call, root: str) -> str:
    name = call.model.removeprefix("models/").removeprefix("google/")
    # The stream is one JSON array, delivered piecemeal, unless events are asked for.
    method = "streamGenerateContent?alt=sse" if call.streams else "generateContent"
    return f"{root}/models/{quote(name, safe='@')}:{method}"


def _out_of_range(param: str, value: object, accepted: str) -> RequestError:
    return RequestError(
        f"`{param}` is {value}; it must be {accepted}.", param=param, code="invalid_value"
    )


def _own(asked: JSON, dropped: list[str]) -> JSON:
    """What `extra_body.google` asks for, in Gemini's spelling."""
    extra = asked.get("extra_body")
    google = extra.get("google") if isinstance(extra, dict) else None
    if not isinstance(extra, dict) or not isinstance(google, dict):
        dropped += ["extra_body"] if extra else []
        return {}
    drop_unknown(extra, {"google"}, "extra_body", dropped)
    drop_unknown(google, {*_OWN, *_OWN.values()}, "extra_body.google", dropped)
    return {
        theirs: google.get(theirs) or google[name]
        for name, theirs in _OWN.items()
        if google.get(theirs) or google.get(name)
    }


def _leave_to_cache(body: JSON, dropped: list[str]) -> None:
    """Takes out what the cached beginning holds; sent beside it, it is refused."""
    names = {
        "systemInstruction": "messages[].content",
        "tools": "tools",
        "toolConfig": "tool_choice",
    }
    for name, dropped_name in names.items():
        if body.pop(name, None):
            dropped.append(dropped_name)


def _generation_config(
    asked: JSON, own: JSON, rules: ModelRules, contents: list[JSON], dropped: list[str]
) -> JSON:
    config = {
        **_sampling(asked, dropped),
        "candidateCount": _candidate_count(asked),
        "stopSequences": _stop_sequences(asked),
        **_penalties(asked, dropped),
        **_logprobs(asked, dropped),
        **_response_format(asked, rules),
        "responseModalities": _modalities(asked),
        "mediaResolution": None if rules.third else _lifted_resolution(contents, dropped),
        "thinkingConfig": _thinking_config(asked, own, rules, dropped),
    }
    return {name: value for name, value in config.items() if value is not None}


def _sampling(asked: JSON, dropped: list[str]) -> JSON:
    config = {theirs: asked[name] for name, theirs in _RENAMED.items() if name in asked}
    limit = config.get("maxOutputTokens")
    if limit != asked.get("max_tokens", limit):
        dropped.append("max_tokens")
    if limit is not None and limit < 1:
        name = "max_completion_tokens" if "max_completion_tokens" in asked else "max_tokens"
        raise _out_of_range(name, limit, "at least 1")
    if "seed" in asked:
        config["seed"] = asked["seed"] % _SEEDS
        if config["seed"] != asked["seed"]:
            dropped.append("seed")
    return config


def _candidate_count(asked: JSON) -> int | None:
    count: int | None = asked.get("n")
    if count is not None and not 1 <= count <= _MOST_CHOICES:
        raise _out_of_range("n", count, f"from 1 to {_MOST_CHOICES}")
    return count


def _stop_sequences(asked: JSON) -> list[str] | None:
    stop: str | list[str] | None = asked.get("stop")
    stops = [stop] if isinstance(stop, str) else stop
    if stops is not None and len(stops) > _MOST_STOPS:
        raise _out_of_range("stop", f"{len(stops)} sequences", f"up to {_MOST_STOPS}")
    return stops


def _penalties(asked: JSON, dropped: list[str]) -> JSON:
    dropped += [name for name in _PENALTIES if asked.get(name, 0) > _LARGEST_PENALTY]
    return {
        theirs: min(asked[name], _LARGEST_PENALTY)
        for name, theirs in _PENALTIES.items()
        if name in asked
    }


def _logprobs(asked: JSON, dropped: list[str]) -> JSON:
    if "logprobs" not in asked:
        dropped += ["top_logprobs"] if "top_logprobs" in asked else []
        return {}
    return {"responseLogprobs": True, "logprobs": asked.get("top_logprobs")}


def _response_format(asked: JSON, rules: ModelRules) -> JSON:
    """The type of the answer, and the schema, whole but for `$schema`."""
    wanted = asked.get("response_format", {"type": "text"})
    if wanted.get("type") == "text":
        return {}
    if "tools" in asked and not rules.third:
        raise unsupported(
            "response_format",
            "does not go together with `tools` on models before Gemini 3; leave one out",
        )
    match wanted:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {
                "responseMimeType": "application/json",
                "responseJsonSchema": without_dialect(schema),
            }
        case {"type": "json_object"} | {"type": "json_schema", "json_schema": {}}:
            return {"responseMimeType": "application/json"}
        case _:
            raise RequestError(
                f"`response_format.type` is {wanted.get('type')!r}; it must be `text`,"
                " `json_object` or `json_schema` with its `json_schema`.",
                param="response_format",
                code="invalid_value",
            )


def _modalities(asked: JSON) -> list[str] | None:
    wanted = asked.get("modalities")
    if wanted is None:
        return None
    wanted = [wanted] if isinstance(wanted, str) else wanted
    for each in wanted:
        if each not in _MODALITIES:
            raise unsupported("modalities", f"asks for {each}; Gemini answers in text and images")
    return [_MODALITIES[each] for each in wanted]


def _lifted_resolution(contents: list[JSON], dropped: list[str]) -> str | None:
    """The resolution for all images, taken off the single ones: the highest of any."""
    asked = {
        _RESOLUTIONS[part.pop("mediaResolution")["level"] != _RESOLUTIONS[0]]
        for content in contents
        for part in content["parts"]
        if "mediaResolution" in part
    }
    if len(asked) > 1:
        dropped.append("messages[].content[].image_url.detail")
    return max(asked, key=_RESOLUTIONS.index, default=None)


def _thinking_config(asked: JSON, own: JSON, rules: ModelRules, dropped: list[str]) -> JSON | None:
    """How long to think; whoever says how long wants to read it too."""
    effort = asked.get("reasoning_effort")
    if effort is not None and effort not in _EFFORTS:
        raise _out_of_range("reasoning_effort", f"`{effort}`", f"one of {', '.join(_EFFORTS)}")
    if "thinkingConfig" in own:
        dropped += ["reasoning_effort"] if effort else []
        config: JSON = own["thinkingConfig"]
        return config
    if effort is None or rules.thinking == "never":
        dropped += ["reasoning_effort"] if effort not in (None, "none") else []
        return None
    if rules.thinking == "level":
        level = _LEVELS.get(effort, rules.least_level)
        dropped += ["reasoning_effort"] if level.lower() != effort else []
        config = {"thinkingLevel": level}
    elif effort == "none":
        dropped += ["reasoning_effort"] if rules.least_budget else []
        config = {"thinkingBudget": rules.least_budget}
    else:
        config = {"thinkingBudget": _BUDGETS.get(effort, rules.most_budget)}
    return config if effort == "none" else {**config, "includeThoughts": True}


def _service_tier(asked: JSON, dropped: list[str]) -> str | None:
    tier = asked.get("service_tier", "")
    if tier and tier not in _SERVICE_TIERS:
        dropped.append("service_tier")
    return _SERVICE_TIERS.get(tier)
