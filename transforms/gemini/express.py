"""The key of Vertex AI's express mode, which goes where a token does not.

Source: Vertex AI documentation, "Express mode" and "API keys" (2026-09).
"""

from __future__ import annotations

from collections.abc import Mapping

from transforms.contract import ErrorAnswer, Unsigned
from transforms.errors import RequestError

TOKEN_VARIABLE = "GOOGLE_OAUTH_ACCESS_TOKEN"
_KEY_VARIABLE = "GOOGLE_API_KEY"


def add_key(request: Unsigned, environment: Mapping[str, str]) -> dict[str, str]:
    """The request's headers, with an API key among them.

    Raises:
        RequestError: 401, naming the variables of which one must be set.
    """
    key = environment.get(_KEY_VARIABLE)
    if not key:
        message = (
            f"No credentials for `vertex`: set `{TOKEN_VARIABLE}`, or `{_KEY_VARIABLE}` for express"
            " mode, where the proxy runs."
        )
        answer = ErrorAnswer(401, message, "invalid_request_error", "invalid_api_key")
        raise RequestError(message, answer=answer)
    return {**request.headers, "x-goog-api-key": key}
