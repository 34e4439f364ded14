"""What must never be stored."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording import alike, redaction
from recording.redaction import Redactor, Secrets, redact_url, secret_values

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


def _redacted(text, secrets=(), redactor=None):
    redactor = redactor or Redactor()
    return redactor.json_text(text.encode(), Secrets(secrets)).decode()


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(
    "around",
    ["{}", "my key is {}, thanks", "\n{}\n", "é{}é", '{{"key": "{}"}}', "KEY={}"],
    ids=["alone", "in a sentence", "on its own line", "beside letters", "in JSON in JSON", "env"],
)
@pytest.mark.parametrize("ensure_ascii", [True, False], ids=["escaped", "UTF-8"])
def test_a_well_known_key_shape_is_redacted_wherever_it_stands(key, around, ensure_ascii):
    text = json.dumps({"content": around.format(key)}, ensure_ascii=ensure_ascii)
    redacted = json.loads(_redacted(text))
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
    assert _redacted(json.dumps(text)) == json.dumps(text)


def test_a_bearer_token_is_redacted():
    assert Redactor().plain("authorization: Bearer abcdefghijklmnop.qrs", Secrets()) == (
        "authorization: [redacted]"
    )


@pytest.mark.parametrize("end", [len(PEM), 60], ids=["whole", "cut"])
def test_a_private_key_is_redacted_and_the_rest_stays_json(end):
    text = json.dumps({"arguments": json.dumps({"file": PEM[:end], "mode": 1})})
    redacted = json.loads(_redacted(text))
    assert json.loads(redacted["arguments"]) == {"file": "[redacted]", "mode": 1}


def test_the_secrets_of_the_exchange_are_redacted_in_any_spelling():
    secret = 'p"ssword\\with é'
    text = json.dumps({"a": secret, "b": f"x{secret}y"})
    assert _redacted(text, (secret,)) == '{"a": "[redacted]", "b": "x[redacted]y"}'
    slashed = '{"a": "my\\/secret", "b": "Bearer ab\\/cdefghijklmnopqrs"}'
    assert _redacted(slashed, ("my/secret",)) == '{"a": "[redacted]", "b": "[redacted]"}'


def test_dummy_keys_are_words_and_longer_secrets_come_first():
    values = ("ollama", "", "secret-key", "secret-key-longer", "secret-key")
    assert secret_values(values) == ("secret-key-longer", "secret-key")


def test_user_patterns_change_values_and_nothing_else():
    redactor = Redactor([re.compile("name"), re.compile(r"\d{3}")])
    text = '{ "name" : "my name\\n", "id": 123, "n": 1.50, "x": ["123", {"name":"\\u00e9"}] }'
    assert _redacted(text, redactor=redactor) == (
        '{ "name" : "my [redacted]\\n", "id": 123, "n": 1.50, '
        '"x": ["[redacted]", {"name":"\\u00e9"}] }'
    )


@pytest.mark.parametrize("patterns", [[], [re.compile("^two$")]], ids=["none", "anchored"])
def test_texts_that_are_redacted_together_are_redacted_each(patterns):
    key = "sk-" + "a1B2" * 12
    redacted = Redactor(patterns).plain_texts(
        {"a": "one\0", "b": "two", "c": f"with {key}", "d": "and another-secret", "e": ""},
        Secrets(["another-secret"]),
    )
    two = "[redacted]" if patterns else "two"
    assert redacted == {
        **{"a": "one\ufffd", "b": two, "c": "with [redacted]"},
        **{"d": "and [redacted]", "e": ""},
    }


def test_user_patterns_see_decoded_text():
    redactor = Redactor([re.compile('é\n"')])
    text = _redacted('{"a": "\\u00e9\\n\\"!"}', redactor=redactor)
    assert json.loads(text) == {"a": "[redacted]!"}


def test_a_pattern_that_matches_nothing_writes_nothing():
    assert Redactor([re.compile("x*")]).plain("axb", Secrets()) == "a[redacted]b"


def test_user_patterns_keep_lone_surrogates_writable():
    text = _redacted('{"a": "secret \\ud83d"}', redactor=Redactor([re.compile("secret")]))
    assert text == '{"a": "[redacted] \\ud83d"}'


def test_user_patterns_look_through_a_raw_piece_that_is_not_json():
    redactor = Redactor([re.compile("name")])
    piece = b'data: {"a": "my \\q name \xff", "b": "name \\u00e9"}'
    assert redactor.raw(piece, Secrets()) == (
        b'data: {"a": "my \\q [redacted] \xff", "b": "[redacted] \xc3\xa9"}'
    )


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
    _redacted(history, redactor=redactor)
    text = f"{history[:place]} {KEYS['openai']} {history[place:]}"
    assert _redacted(text, redactor=redactor) == f"{history[:place]} [redacted] {history[place:]}"


def test_a_key_whose_beginning_was_harmless_is_found():
    redactor, history = Redactor(), "word " * 30_000 + "sk-proj-"
    _redacted(history, redactor=redactor)
    assert _redacted(f"{history}A1b2C3d4E5f6G7h8", redactor=redactor).endswith(" [redacted]")


def test_a_secret_that_nobody_sought_before_is_found_in_a_known_text():
    redactor, history = Redactor(), f"my-own-secret {'word ' * 30_000}"
    assert _redacted(history, ("another-secret",), redactor) == history
    assert _redacted(history, ("my-own-secret",), redactor).startswith("[redacted] ")


@pytest.mark.parametrize("length", [10, 5000])
def test_a_secret_whose_beginning_was_harmless_is_found(length):
    secret = "s" * length
    redactor, history = Redactor(), "word " * 30_000 + secret[:-1]
    assert _redacted(history, (secret,), redactor) == history
    assert _redacted(f"{history}s", (secret,), redactor).endswith(" [redacted]")


def test_the_very_same_text_goes_on_where_nothing_is_found():
    text, redactor = '{"a": "é"}'.encode(), Redactor([re.compile("x")])
    assert redactor.json_text(text, Secrets(["another-secret"])) is text


def test_a_secret_that_is_not_utf8_is_found_in_raw_pieces_alone():
    secrets = Secrets(["\udca9-secret-caf\udcc3"])
    piece = "data: é-secret-cafè".encode()
    assert Redactor().raw(piece[7:-1], secrets) == b"[redacted]"
    text = b'"' + piece + b'"'
    assert Redactor().json_text(text, secrets) is text


def test_a_secret_beyond_every_encoding_holds_nothing_up():
    text = b'"a-secret \\ud83d"'
    assert Redactor().json_text(text, Secrets(["a-secret \ud83d"])) == b'"[redacted]"'


SECRETS = ("pässwörd für 🌍", 'clé "8\\é\n', "\udca9abcdefgh", "abcdefgh\udcc3", "plain-secret")

_SAID = st.lists(
    st.sampled_from([*KEYS.values(), *SECRETS[:2], "plain-secret", PEM[:70], "éabcdefghé", "sk-a"])
    | st.text('a-é🌍\n"\\/ \u2028', max_size=4),
    max_size=12,
).map("".join)
_TEXTS = st.builds(
    lambda value, ascii_only: json.dumps(value, ensure_ascii=ascii_only),
    st.dictionaries(_SAID, st.lists(_SAID, max_size=3), max_size=3),
    st.booleans(),
)


def _by_characters(text):
    """What is left of a text that is looked through character by character."""
    for secret in SECRETS:
        for spelling in redaction._spellings(secret):
            text = text.replace(spelling, "[redacted]")
    for look, shape in (*redaction._SHAPES, (redaction._PRIVATE_KEY,) * 2):
        if re.search(look.pattern.decode(), text, re.ASCII):
            text = re.sub(shape.pattern.decode(), "[redacted]", text, flags=re.ASCII)
    return text


@given(_TEXTS)
def test_bytes_hide_no_key_that_characters_show(text):
    assert _redacted(text, SECRETS) == _by_characters(text)


@given(_TEXTS)
def test_raw_pieces_lose_what_texts_lose(text):
    secrets = Secrets(SECRETS[:2] + SECRETS[4:])
    lost = Redactor().json_text(text.encode(), secrets)
    assert Redactor().raw(text.encode(), secrets) == lost


@given(_TEXTS)
def test_patterns_change_values_and_no_names(text):
    pattern = re.compile("é|🌍")
    expected = {
        name: [pattern.sub("[redacted]", value) for value in values]
        for name, values in json.loads(_by_characters(text)).items()
    }
    assert json.loads(_redacted(text, SECRETS, Redactor([pattern]))) == expected


@given(
    st.sampled_from([*KEYS.values(), *SECRETS[:2]]),
    st.integers(0, 480),
    st.integers(0, 60),
    st.text("aé🌍 ", max_size=5),
)
def test_a_key_is_found_wherever_the_known_beginning_ends(key, place, end, other):
    words = '"wörds 🌍", "and more", ' * 30
    text = f"{words[:place]} {key} {words[place:]}"
    redactor = Redactor()
    with pytest.MonkeyPatch.context() as smaller:
        smaller.setattr(redaction, "LONG", 1)
        smaller.setattr(alike, "_FIRST_BLOCK", 1)
        for said in (text[: place + end] + other, words, text):
            assert _redacted(said, SECRETS, redactor) == _by_characters(said)
