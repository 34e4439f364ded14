"""The two ways a translation fails: the client's fault, or the provider's.

Both carry what the OpenAI error body needs, so that the border that catches one can answer
with it as it stands.
"""

from __future__ import annotations

import re
from typing import ClassVar, Self

from transforms.contract import ErrorAnswer


class TransformError(Exception):
    """A call that cannot be translated; `answer()` is what the client gets to see."""

    status: ClassVar[int]
    type: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        answer: ErrorAnswer | None = None,
    ) -> None:
        super().__init__(message)
        self._answer = answer or ErrorAnswer(self.status, message, self.type, code, param)

    def answer(self) -> ErrorAnswer:
        """The error as OpenAI would have put it."""
        return self._answer


class RequestError(TransformError):
    """The client sent a malformed request, or asked for what this provider cannot do."""

    status = 400
    type = "invalid_request_error"


def unsupported(param: str, why: str) -> RequestError:
    """The error for what a provider cannot do; `why` goes on from the name of the parameter."""
    return RequestError(f"`{param}` {why}.", param=param, code="unsupported_parameter")


class ResponseError(TransformError):
    """The provider answered with an error, against its own format, or stopped halfway."""

    status = 502
    type = "upstream_error"

    @classmethod
    def reported(cls, answer: ErrorAnswer) -> Self:
        """An error the provider itself reported, inside a 200 or in mid-stream."""
        return cls(answer.message, answer=answer)


_CONTEXT_OVERFLOW = re.compile(
    r"max(imum)? context length|context length exceeded|context_length_exceeded"
    r"|prompt is too long|prompt too long|exceed_context_size|context window|available context size"
    r"|too_many_prompt_tokens",
    re.IGNORECASE,
)

_BY_STATUS: dict[int, tuple[int, str, str | None]] = {
    400: (400, "invalid_request_error", None),
    401: (401, "invalid_request_error", "invalid_api_key"),
    402: (429, "insufficient_quota", "insufficient_quota"),
    403: (403, "invalid_request_error", "permission_denied"),
    404: (404, "invalid_request_error", None),
    408: (408, "timeout_error", "timeout"),
    409: (409, "conflict_error", None),
    413: (413, "invalid_request_error", "request_too_large"),
    422: (422, "invalid_request_error", None),
    429: (429, "requests", "rate_limit_exceeded"),
    500: (500, "server_error", None),
    502: (502, "server_error", None),
    503: (503, "server_error", "overloaded"),
    504: (504, "server_error", "timeout"),
    529: (503, "server_error", "overloaded"),
}
"""Provider's HTTP status -> OpenAI's status, type and code. SDKs repeat 408, 409, 429 and 5xx, so
a lasting failure must not end up there without `x-should-retry: false`."""


def error_for_status(
    status: int,
    message: str,
    *,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
) -> ErrorAnswer:
    """OpenAI's error for a provider's HTTP status, with what the provider told filled in."""
    fallback = (status, "invalid_request_error" if status < 500 else "server_error", None)
    answered, usual_type, usual_code = _BY_STATUS.get(status, fallback)
    if (
        code is None
        and answered in {400, 413, 422}
        and _CONTEXT_OVERFLOW.search(f"{type} {message}")
    ):
        answered, usual_code = 400, "context_length_exceeded"
    code = code or usual_code
    headers = {"x-should-retry": "false"} if code == "insufficient_quota" else {}
    return ErrorAnswer(answered, message, type or usual_type, code, param, headers)


def unreadable_error(status: int) -> ErrorAnswer:
    """OpenAI's error for an error page in no known format. The page itself is not repeated."""
    return error_for_status(
        status, f"The provider answered HTTP {status} without an error message."
    )
