"""Azure OpenAI, and the models of Azure AI Foundry.

The base URL tells the door. That of a resource alone leads to the classic one, where the
deployment, which the route names as the model, is part of the path; a base URL that ends in
`/openai/v1`, `/models` or a deployment leads there.

Answers tell beside the text what the content filter found; only that it stopped an answer
(`content_filter`) is passed on, and with a prompt that it stopped (400) what it found there.

Source: Azure OpenAI REST API reference (2024-10-21 and v1); recorded exchanges (2026-08).
"""

from transforms.contract import Auth
from transforms.openai import openai_format
from transforms.openai.quirks import OPENAI_ALONE, PARTS, Door, ErrorRule, Quirks

_CLASSIC_VERSION = "api-version={AZURE_OPENAI_API_VERSION:2024-10-21}"
_FOUNDRY_VERSION = "api-version={AZURE_OPENAI_API_VERSION:2024-05-01-preview}"

_VERSIONED = OPENAI_ALONE - {"prediction", "verbosity"}
"""Parameters that these doors refuse under most versions."""

_FOUNDRY_LIMIT = ((r"(?!.*(gpt|\bo\d)).*", "max_tokens"),)
"""Models of other makers know OpenAI's older name of the limit alone."""

PROVIDER = openai_format(
    "azure",
    "{AZURE_OPENAI_ENDPOINT}",
    "AZURE_OPENAI_API_KEY",
    auth=Auth("api-key", ""),
    quirks=Quirks(
        doors=(
            Door(r"/openai/v1/?$", "/chat/completions"),
            Door(
                r"/models/?$|\.models\.ai\.azure\.com/?$",
                f"/chat/completions?{_FOUNDRY_VERSION}",
                _VERSIONED,
                _FOUNDRY_LIMIT,
            ),
            Door(
                r"\.services\.ai\.azure\.com/?$",
                f"/models/chat/completions?{_FOUNDRY_VERSION}",
                _VERSIONED,
                _FOUNDRY_LIMIT,
            ),
            Door(
                r"/deployments/[^/]+/?$",
                f"/chat/completions?{_CLASSIC_VERSION}",
                _VERSIONED,
            ),
            Door(
                "",
                f"/openai/deployments/<model>/chat/completions?{_CLASSIC_VERSION}",
                _VERSIONED,
            ),
        ),
        dropped=frozenset(),
        dropped_for=((r"(.*[^a-z0-9])?o[1-9]([^0-9].*)?", frozenset({"parallel_tool_calls"})),),
        legacy_functions=True,
        several_choices=True,
        other_modalities=True,
        custom_tools=True,
        developer="developer",
        parts=PARTS,
        message_members=None,
        errors=(
            ErrorRule(r"^content_filter ", 400, "content_filter"),
            ErrorRule(r"^DeploymentNotFound ", 404, "model_not_found"),
            ErrorRule(r"^(RateLimitReached|too_many_requests) ", 429),
        ),
        statuses={408: 504, 422: 400, 424: 502},
        findings=frozenset({"innererror"}),
    ),
)
