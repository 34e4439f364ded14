"""Bodies in parts: whole again whoever reads them, and kept once."""

from __future__ import annotations

import json
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peewee import IntegrityError

from models import MODELS, Exchange, Request, Response
from recording.parts import WHOLE, PartStore
from recording.rows import write_row
from tests.records import request_row, response_row, said

WORDS = "There is more to say – \\u00fc and \\n. " * 120

PANELS = ("openai_request", "provider_request", "provider_response", "openai_response")


@pytest.fixture
def database(database):
    with database.bind_ctx(MODELS):
        yield database


@pytest.fixture
def parts():
    return PartStore()


def _count(database, table):
    return database.execute_sql(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


def _write(database, name, bodies, parts=None):
    with database.atomic():
        asked = {panel: bodies[panel] for panel in PANELS[:2]}
        answered = {panel: bodies[panel] for panel in PANELS[2:]}
        write_row(database, request_row(name, **asked), parts)
        write_row(database, response_row(name, **answered), parts)


def _whole(name):
    exchange = Exchange.get(Exchange.request_id == name)
    request = Request.get(Request.request_id == name)
    response = Response.get(Response.request_id == request.id)
    seen = {panel: getattr(exchange, panel) for panel in PANELS}
    of_models = {panel: getattr(request, panel) for panel in PANELS[:2]}
    of_models |= {panel: getattr(response, panel) for panel in PANELS[2:]}
    assert of_models == seen
    return seen


_TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        [WORDS, "x" * 600, 'quotes " and \\ backslashes' * 40, "é" * 700, "\ud83d" * 200]
    ),
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)
_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]), "content": _TEXTS | _VALUES}
    )
    | _VALUES,
    max_size=8,
).map(lambda messages: [*messages, *messages[:2]])
_CHATS = st.dictionaries(st.sampled_from(["model", "tools", "seed", "system"]), _VALUES).flatmap(
    lambda others: st.permutations([*others.items()]).flatmap(
        lambda members: st.builds(
            lambda messages, name, place: dict(
                [*members[:place], (name, messages), *members[place:]]
            ),
            _MESSAGES,
            st.sampled_from(["messages", "contents", "input"]),
            st.integers(0, 4),
        )
    )
)


def _written(value, ascii_only, indent, spaced):
    separators = (", ", ": ") if spaced else (",", ":")
    try:
        text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators)
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent, separators=separators)
    return text


_BODIES = st.one_of(
    st.builds(
        _written,
        _CHATS | _VALUES | st.builds(lambda chat: {"input": chat}, _CHATS),
        st.booleans(),
        st.sampled_from([None, 0, 3]),
        st.booleans(),
    ),
    # Longer than what stays in the row.
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50).map(
        lambda text: text * (WHOLE // max(len(text), 1) + 1)
    ),
)


@given(st.fixed_dictionaries(dict.fromkeys(PANELS, st.none() | _BODIES)))
@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_body_comes_back_byte_for_byte(database, parts, bodies):
    name = f"r{_count(database, 'requests')}"
    _write(database, name, bodies, parts)
    assert _whole(name) == bodies


def _told(*texts):
    return json.dumps(said(*texts), ensure_ascii=False, separators=(",", ":"))


def _request(database, name, body, parts=None):
    with database.atomic():
        write_row(database, request_row(name, openai_request=body, provider_request=body), parts)


def test_a_short_body_stays_in_the_row(database):
    _request(database, "r", '{"messages": []}')
    assert (_count(database, "segments"), _whole_request("r")) == (0, '{"messages": []}')


@pytest.mark.parametrize(("body", "is_long"), [("é" * 2047 + "x", False), ("é" * 2048, True)])
def test_a_body_is_long_by_its_bytes(parts, body, is_long):
    assert parts.is_long(body.encode()) is is_long


def _whole_request(name):
    return Exchange.get(Exchange.request_id == name).openai_request


def test_a_conversation_that_grows_costs_a_node_for_each_piece_that_is_new(database):
    texts = [f"{number} {WORDS}" for number in range(40)]
    nodes = []
    for turn in range(2, 40, 2):
        _request(database, f"r{turn}", _told(*texts[:turn]))
        nodes.append(_count(database, "chains"))
    assert {after - before for before, after in pairwise(nodes)} == {6}
    assert _whole_request("r38") == _told(*texts[:38])


@pytest.mark.parametrize("remembered", [True, False])
def test_what_is_said_again_is_kept_once(database, remembered):
    parts = PartStore()
    for number in range(3):
        _request(database, f"r{number}", _told(WORDS, "yes", WORDS), parts if remembered else None)
    before = _count(database, "parts"), _count(database, "chains")
    _request(database, "again", _told(WORDS, "yes", WORDS), parts if remembered else None)
    assert (_count(database, "parts"), _count(database, "chains")) == before


def test_a_final_answer_takes_the_place_of_its_snapshots(database):
    write_row(database, request_row("r"))
    for state, text in (("streaming", "Hel"), ("streaming", WORDS), ("complete", WORDS * 2)):
        write_row(database, response_row("r", state=state, openai_response=json.dumps(text)))
    assert Response.get().openai_response == json.dumps(WORDS * 2)
    assert _count(database, "segments") == 1


def test_a_later_final_answer_takes_the_place_of_an_earlier_one(database):
    write_row(database, request_row("r"))
    for text in (WORDS, "short", WORDS * 3, None):
        body = None if text is None else json.dumps(text)
        write_row(database, response_row("r", openai_response=body))
    assert Response.get().openai_response == json.dumps(WORDS * 3)


def test_a_late_snapshot_leaves_the_parts_of_the_final_answer(database):
    write_row(database, request_row("r"))
    write_row(database, response_row("r", openai_response=json.dumps(WORDS)))
    write_row(database, response_row("r", state="streaming", openai_response='"late"'))
    assert Response.get().openai_response == json.dumps(WORDS)


def test_a_row_that_comes_twice_changes_nothing(database):
    bodies = dict.fromkeys(PANELS, _told(WORDS, WORDS))
    for _ in range(2):
        _write(database, "r", bodies)
    assert _whole("r") == bodies


def test_a_number_that_is_gone_is_refused_until_it_is_forgotten(database):
    parts = PartStore()
    _request(database, "r", _told(WORDS, WORDS), parts)
    for table in ("segments", "chains WHERE id > 0", "parts WHERE id > 0"):
        if table.startswith("chains"):
            # Last nodes first, as other instances do it.
            for (node,) in database.execute_sql(
                "SELECT id FROM chains WHERE id > 0 ORDER BY id DESC"
            ).fetchall():
                database.execute_sql(f"DELETE FROM chains WHERE id = {node}")
        else:
            database.execute_sql(f"DELETE FROM {table}")
    with pytest.raises(IntegrityError):
        _request(database, "s", _told(WORDS, WORDS), parts)
    parts.forget()
    _request(database, "s", _told(WORDS, WORDS), parts)
    assert _whole_request("s") == _told(WORDS, WORDS)


def test_what_is_remembered_of_ever_new_bodies_stays_small(parts):
    tracemalloc.start()
    try:
        for number in range(60_000):
            digest = number.to_bytes(16)
            parts._parts.put(digest, number)
            parts._nodes.put((number + 10**9, digest), number)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 10 << 20
