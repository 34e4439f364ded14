"""The two errors, and OpenAI's error for a provider's status."""

from __future__ import annotations

import pytest

from transforms.contract import ErrorAnswer
from transforms.errors import (
    RequestError,
    ResponseError,
    TransformError,
    error_for_status,
    unreadable_error,
)


def test_request_error_is_the_clients_fault() -> None:
    error = RequestError("`n` is 2.", param="n", code="unsupported_parameter")

    assert str(error) == "`n` is 2."
    assert error.answer() == ErrorAnswer(
        400, "`n` is 2.", "invalid_request_error", "unsupported_parameter", "n"
    )


def test_response_error_is_the_providers_fault() -> None:
    error = ResponseError("Half an answer.", code="upstream_stream_ended")

    assert error.answer() == ErrorAnswer(
        502, "Half an answer.", "upstream_error", "upstream_stream_ended"
    )


def test_reported_error_keeps_what_the_provider_told() -> None:
    told = ErrorAnswer(429, "Slow down.", "requests", "rate_limit_exceeded")

    error = ResponseError.reported(told)

    assert isinstance(error, TransformError)
    assert str(error) == "Slow down."
    assert error.answer() == told


def test_error_body_always_has_all_four_members() -> None:
    assert ErrorAnswer(500, "Gone.", "server_error").body() == {
        "error": {"message": "Gone.", "type": "server_error", "param": None, "code": None}
    }


STATUSES = {
    400: (400, "invalid_request_error", None),
    401: (401, "invalid_request_error", "invalid_api_key"),
    402: (429, "insufficient_quota", "insufficient_quota"),
    403: (403, "invalid_request_error", "permission_denied"),
    404: (404, "invalid_request_error", None),
    408: (408, "timeout_error", "timeout"),
    409: (409, "conflict_error", None),
    413: (413, "invalid_request_error", "request_too_large"),
    418: (418, "invalid_request_error", None),
    422: (422, "invalid_request_error", None),
    429: (429, "requests", "rate_limit_exceeded"),
    500: (500, "server_error", None),
    502: (502, "server_error", None),
    503: (503, "server_error", "overloaded"),
    504: (504, "server_error", "timeout"),
    529: (503, "server_error", "overloaded"),
    599: (599, "server_error", None),
}


@pytest.mark.parametrize(("status", "usual"), STATUSES.items(), ids=map(str, STATUSES))
def test_status_tells_type_and_code(status: int, usual: tuple[int, str, str | None]) -> None:
    answer = error_for_status(status, "No.")

    assert (answer.status, answer.type, answer.code) == usual


def test_what_the_provider_told_wins_over_the_usual() -> None:
    answer = error_for_status(400, "No.", type="requests", code="queue_full", param="model")

    assert answer == ErrorAnswer(400, "No.", "requests", "queue_full", "model")


@pytest.mark.parametrize(
    ("status", "code"), [(402, None), (429, "insufficient_quota")], ids=["status", "code"]
)
def test_client_is_told_not_to_repeat_when_the_money_is_gone(status: int, code: str | None) -> None:
    assert error_for_status(status, "Pay.", code=code).headers == {"x-should-retry": "false"}


def test_client_may_repeat_a_rate_limit() -> None:
    assert error_for_status(429, "Slow down.").headers == {}


OVERFLOWS = [
    "This model's maximum context length is 8192 tokens.",
    "prompt too long; exceeded max context length by 12 tokens",
    "prompt is too long: 200001 tokens > 200000 maximum",
    "Input exceeds the context window of this model.",
    "request (9 tokens) exceeds the available context size (8 tokens), try increasing it",
]


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("message", OVERFLOWS)
def test_context_overflow_has_one_code_and_status(status: int, message: str) -> None:
    """Clients compact the conversation on this code."""
    answer = error_for_status(status, message)

    assert (answer.status, answer.code) == (400, "context_length_exceeded")


@pytest.mark.parametrize("kind", ["exceed_context_size_error", "too_many_prompt_tokens"])
def test_context_overflow_is_told_by_type_too(kind: str) -> None:
    assert error_for_status(400, "No.", type=kind).code == "context_length_exceeded"


def test_message_about_context_of_another_failure_changes_nothing() -> None:
    assert error_for_status(500, "Lost the context window.").code is None


def test_unreadable_error_page_is_not_repeated() -> None:
    assert unreadable_error(504) == ErrorAnswer(
        504,
        "The provider answered HTTP 504 without an error message.",
        "server_error",
        "timeout",
    )
