"""What must never be stored."""

from __future__ import annotations

import json
import re

import pytest

from recording.redaction import Redactor, redact_url, secret_values

KEYS = {
    "openai": "sk-proj-A1b2C3d4E5f6G7h8I9j0",
    "anthropic": "sk-ant-api03-A1b2C3d4E5f6G7h8-I9j0",
    "groq": "gsk_A1b2C3d4E5f6G7h8I9j0K1l2",
    "xai": "xai-A1b2C3d4E5f6G7h8I9j0",
    "google": "AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "hugging face": "hf_A1b2C3d4E5f6G7h8I9j0",
    "github": "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8",
    "github, fine": "github_pat_A1b2C3d4E5f6G7h8I9j0",
    "gitlab": "glpat-A1b2C3d4E5f6G7h8I9j0",
    "slack": "xoxb-123456789012-A1b2C3d4E5f6",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r",
}
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK=\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(
    "around",
    ["{}", "my key is {}, thanks", "\n{}\n", "é{}é", '{{"key": "{}"}}', "KEY={}"],
    ids=["alone", "in a sentence", "on its own line", "beside letters", "in JSON in JSON", "env"],
)
@pytest.mark.parametrize("ensure_ascii", [True, False], ids=["escaped", "UTF-8"])
def test_a_well_known_key_shape_is_redacted_wherever_it_stands(key, around, ensure_ascii):
    text = json.dumps({"content": around.format(key)}, ensure_ascii=ensure_ascii)
    redacted = json.loads(Redactor().json_text(text))
    assert redacted == {"content": around.format("[redacted]")}


@pytest.mark.parametrize(
    "text",
    [
        "task-force-of-many-people-together",
        "risk_management_of_the_whole_thing",
        "sk-short",
        "the AKIA prefix and eyJ and hf_ alone",
        "Bearer of bad news",
        "/AKIAIOSFODNN7EXAMPLE+AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
    ],
)
def test_what_only_looks_like_a_key_stays(text):
    assert Redactor().json_text(json.dumps(text)) == json.dumps(text)


def test_a_bearer_token_is_redacted():
    assert Redactor().plain("authorization: Bearer abcdefghijklmnop.qrs") == (
        "authorization: [redacted]"
    )


@pytest.mark.parametrize("end", [len(PEM), 60], ids=["whole", "cut"])
def test_a_private_key_is_redacted_and_the_rest_stays_json(end):
    text = json.dumps({"arguments": json.dumps({"file": PEM[:end], "mode": 1})})
    redacted = json.loads(Redactor().json_text(text))
    assert json.loads(redacted["arguments"]) == {"file": "[redacted]", "mode": 1}


def test_the_secrets_of_the_exchange_are_redacted_in_any_spelling():
    secret = 'p"ssword\\with é'
    text = json.dumps({"a": secret, "b": f"x{secret}y"})
    assert Redactor().json_text(text, (secret,)) == '{"a": "[redacted]", "b": "x[redacted]y"}'
    slashed = '{"a": "my\\/secret", "b": "Bearer ab\\/cdefghijklmnopqrs"}'
    assert Redactor().json_text(slashed, ("my/secret",)) == '{"a": "[redacted]", "b": "[redacted]"}'


def test_dummy_keys_are_words_and_longer_secrets_come_first():
    values = ("ollama", "", "secret-key", "secret-key-longer", "secret-key")
    assert secret_values(values) == ("secret-key-longer", "secret-key")


def test_user_patterns_change_values_and_nothing_else():
    redactor = Redactor([re.compile("name"), re.compile(r"\d{3}")])
    text = '{ "name" : "my name\\n", "id": 123, "n": 1.50, "x": ["123", {"name":"\\u00e9"}] }'
    assert redactor.json_text(text) == (
        '{ "name" : "my [redacted]\\n", "id": 123, "n": 1.50, '
        '"x": ["[redacted]", {"name":"\\u00e9"}] }'
    )


@pytest.mark.parametrize("patterns", [[], [re.compile("^two$")]], ids=["none", "anchored"])
def test_texts_that_are_redacted_together_are_redacted_each(patterns):
    key = "sk-" + "a1B2" * 12
    redacted = Redactor(patterns).plain_texts(
        {"a": "one\0", "b": "two", "c": f"with {key}", "d": "and another-secret", "e": ""},
        ("another-secret",),
    )
    two = "[redacted]" if patterns else "two"
    assert redacted == {
        **{"a": "one\ufffd", "b": two, "c": "with [redacted]"},
        **{"d": "and [redacted]", "e": ""},
    }


def test_user_patterns_see_decoded_text():
    text = Redactor([re.compile('é\n"')]).json_text('{"a": "\\u00e9\\n\\"!"}')
    assert json.loads(text) == {"a": "[redacted]!"}


def test_a_pattern_that_matches_nothing_writes_nothing():
    assert Redactor([re.compile("x*")]).plain("axb") == "a[redacted]b"


def test_user_patterns_keep_lone_surrogates_writable():
    text = Redactor([re.compile("secret")]).json_text('{"a": "secret \\ud83d"}')
    assert text == '{"a": "[redacted] \\ud83d"}'


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("https://h/p?key=abc&alt=sse", "https://h/p?key=[redacted]&alt=sse"),
        (
            "/p?a=1&api_key=x&X-Amz-Signature=y",
            "/p?a=1&api_key=[redacted]&X-Amz-Signature=[redacted]",
        ),
        ("https://me:pw@h/p", "https://[redacted]@h/p"),
        ("https://h/p@v1?q=me@h", "https://h/p@v1?q=me@h"),
    ],
)
def test_urls_lose_userinfo_and_query_values_named_like_keys(url, stored):
    assert redact_url(url) == stored


@pytest.mark.parametrize("place", [5, 70_000, 98_299, 98_310, 149_000], ids=str)
def test_a_key_is_found_in_a_text_that_begins_like_an_earlier_one(place):
    redactor, history = Redactor(), "word " * 30_000
    redactor.json_text(history)
    text = f"{history[:place]} {KEYS['openai']} {history[place:]}"
    assert redactor.json_text(text) == f"{history[:place]} [redacted] {history[place:]}"


def test_a_key_whose_beginning_was_harmless_is_found():
    redactor, history = Redactor(), "word " * 30_000 + "sk-proj-"
    redactor.json_text(history)
    assert redactor.json_text(f"{history}A1b2C3d4E5f6G7h8").endswith(" [redacted]")


def test_a_secret_that_nobody_sought_before_is_found_in_a_known_text():
    redactor, history = Redactor(), f"my-own-secret {'word ' * 30_000}"
    assert redactor.json_text(history, ("another-secret",)) == history
    assert redactor.json_text(history, ("my-own-secret",)).startswith("[redacted] ")


@pytest.mark.parametrize("length", [10, 5000])
def test_a_secret_whose_beginning_was_harmless_is_found(length):
    secret = "s" * length
    redactor, history = Redactor(), "word " * 30_000 + secret[:-1]
    assert redactor.json_text(history, (secret,)) == history
    assert redactor.json_text(f"{history}s", (secret,)).endswith(" [redacted]")
