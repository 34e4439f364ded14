"""Bodies that begin like one written lately."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recording import histories, lately
from recording.cutting import LONG, cut
from recording.database import RecordDatabase
from recording.histories import Histories, conversation_in
from recording.parts import PartStore
from recording.rows import write_row
from tests.records import request_row

TEXTS = ["yes", "–", "x" * 600, "é" * 700, "\ud83d", 'a \\ and a " ' * 60]

_MESSAGES = st.builds(
    lambda role, text: {"role": role, "content": text},
    st.sampled_from(["system", "user", "user", "assistant"]),
    st.sampled_from(TEXTS),
)


@pytest.fixture
def database(tmp_path):
    record = RecordDatabase(f"sqlite:///{tmp_path / 'chats.db'}")
    record.open()
    yield record.database
    record.close()


@pytest.fixture
def short(monkeypatch):
    """Bodies of any length are remembered."""
    monkeypatch.setattr(histories, "LONG", 1)


def _written(messages, before, after, layout, space):
    ascii_only, indent, separators = layout
    listed, body = (
        json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators)
        for value in (messages, {**before, "messages": "", **after})
    )
    text = body.replace('""', f"{listed[:-1]}{space}]", 1)
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


_OTHERS = st.dictionaries(
    st.sampled_from(["a", "b"]), st.sampled_from([1, "x" * 1500, [{"c": "y" * 600}] * 3])
)
_LAYOUTS = st.tuples(
    st.booleans(), st.sampled_from([None, 0, 1]), st.sampled_from([(",", ":"), (" , ", ": ")])
)
_CHANGES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.lists(_MESSAGES, max_size=4),
        _OTHERS,
        st.sampled_from(["", "", " ", "\n "]),
    ),
    max_size=6,
)


@given(st.lists(_MESSAGES, max_size=12), _OTHERS, _OTHERS, _LAYOUTS, _CHANGES)
@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_conversation_that_goes_on_comes_back_byte_for_byte(
    database, short, messages, before, after, layout, changes
):
    parts, written = PartStore(), {}
    messages = [*messages, {"role": "user", "content": "z" * LONG}]
    for taken, added, after_now, space in [(0, [], after, ""), *changes]:
        messages = [*messages[: len(messages) - taken], *added]
        body = _written(messages, before, after_now, layout, space)
        number = database.execute_sql("SELECT COUNT(*) FROM requests").fetchone()[0] + 1
        write_row(database, request_row(f"r{number}", openai_request=body), parts)
        written[number] = body
    sql = f"SELECT id, openai_request FROM exchanges WHERE id >= {min(written)}"
    assert dict(database.execute_sql(sql).fetchall()) == written


def _remembered(*messages):
    text = json.dumps({"messages": messages}, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


LONG_ONE = {"role": "user", "content": "z" * LONG}


def _keep(kept, body, known=None):
    segments = cut(body)
    conversation = conversation_in(segments)
    kept.remember("p", body, segments, conversation, range(len(segments[conversation])), known)


def test_the_one_that_shares_most_is_found(short):
    kept = Histories()
    for added in (1, 2, 3):
        _keep(kept, _remembered(*[LONG_ONE] * added, f"end of {added}"))
    known = kept.find("p", _remembered(*[LONG_ONE] * 3, "more", "and more"))
    assert (known.elements, known.history.body.endswith(b'"end of 3"]}')) == (3, True)


def test_a_body_that_ends_where_another_goes_on_is_no_continuation(short):
    kept = Histories()
    body = b"x" * LONG
    _keep(kept, body)
    assert kept.find("p", body) is None


def test_a_body_counts_with_the_bytes_it_takes(short, monkeypatch):
    monkeypatch.setattr(lately, "LARGEST", 3 * LONG)
    kept = Histories()
    for text in ("z", "🌍"):
        _keep(kept, _remembered({"role": "user", "content": text * LONG}, LONG_ONE))
        known = kept.find("p", _remembered({"role": "user", "content": text * LONG}, "more"))
        assert (known is not None) == (text == "z")


def test_another_kind_of_body_is_not_asked(short):
    kept = Histories()
    _keep(kept, _remembered(LONG_ONE, LONG_ONE))
    assert kept.find("q", _remembered(LONG_ONE, LONG_ONE, "more")) is None


def test_short_bodies_are_not_remembered():
    kept = Histories()
    _keep(kept, _remembered(LONG_ONE, LONG_ONE))
    assert kept.find("p", _remembered(LONG_ONE, LONG_ONE, "more")) is None
