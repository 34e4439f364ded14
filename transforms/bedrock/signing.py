"""AWS Signature Version 4, by botocore, at a time that is given.

The signature covers the method, the address with each segment of its path encoded once more, the
headers here and the exact bytes of the body: nothing of them may be changed afterwards.

Source: AWS Identity and Access Management user guide, "Create a signed AWS API request" (2026-09).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from transforms.contract import ErrorAnswer, Unsigned
from transforms.errors import RequestError

BEARER_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"

_SERVICE = "bedrock"
_DEFAULT_REGION = "us-east-1"
_NEEDED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

_REGION = re.compile(
    r"//(?:[^/]*\.)?bedrock-runtime(?:-fips)?\.(?P<region>[a-z]+(?:-[a-z0-9]+)+)\."
)


def sign(request: Unsigned, environment: Mapping[str, str]) -> dict[str, str]:
    """The request's headers, with its date and signature among them.

    Raises:
        RequestError: 401, naming the variables of the credentials that are not set.
    """
    signer = SigV4Auth(_credentials(environment), _SERVICE, region(request.url, environment))
    signed = AWSRequest(request.method, request.url, dict(request.headers), request.body)
    # `SigV4Auth.add_auth` would ask a clock.
    time = datetime.fromtimestamp(request.time, UTC).strftime(SIGV4_TIMESTAMP)
    signed.context["timestamp"] = time
    signed.headers["x-amz-date"] = time
    if environment.get("AWS_SESSION_TOKEN"):
        signed.headers["x-amz-security-token"] = environment["AWS_SESSION_TOKEN"]
    names = signer.signed_headers(signer.headers_to_sign(signed))
    text = signer.string_to_sign(signed, signer.canonical_request(signed))
    signed.headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(signed)}, SignedHeaders={names},"
        f" Signature={signer.signature(text, signed)}"
    )
    return {name.lower(): value for name, value in signed.headers.items()}


def region(url: str, environment: Mapping[str, str]) -> str:
    """The region that answers at this address; one that does not tell is in `AWS_REGION`."""
    told = _REGION.search(url)
    return told["region"] if told else environment.get("AWS_REGION") or _DEFAULT_REGION


def _credentials(environment: Mapping[str, str]) -> Credentials:
    missing = [name for name in _NEEDED if not environment.get(name)]
    if missing:
        message = (
            f"No credentials for `bedrock`: set `{BEARER_VARIABLE}`, or {_and(missing)}, where the"
            " proxy runs."
        )
        answer = ErrorAnswer(401, message, "invalid_request_error", "invalid_api_key")
        raise RequestError(message, answer=answer)
    return Credentials(*(environment[name] for name in _NEEDED))


def _and(names: list[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
