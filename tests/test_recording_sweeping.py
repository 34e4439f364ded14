"""What nothing needs any longer goes, and nothing else."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

from recording import sweeping
from recording.parts import PartStore
from recording.rows import write_row
from recording.sweeping import sweep
from tests.records import request_row, said

WORDS = "There is more to say. " * 200


def _ask(database, name, *texts, parts=None):
    body = json.dumps(said(*texts))
    with database.atomic():
        row = request_row(name, explicit_session=name, openai_request=body, provider_request=body)
        write_row(database, row, parts)
    return body


def _forget(database, name):
    database.execute_sql(f"DELETE FROM sessions WHERE id = '{name}'")


def _whole(database, name):
    sql = f"SELECT openai_request, provider_request FROM exchanges WHERE request_id = '{name}'"
    return database.execute_sql(sql).fetchone()


def _left(database):
    tables = ("segments", "chains", "parts", "loose")
    return [database.execute_sql(f"SELECT COUNT(*) FROM {each}").fetchone()[0] for each in tables]


def _sweep_all(database, parts=None, limit_s=1.0):
    steps = []
    while True:
        swept = sweep(database, limit_s)
        if parts is not None:
            parts.removed(swept.nodes, swept.parts)
        if not swept.looked_at:
            return steps
        steps.append(swept)


def test_all_parts_go_with_the_last_request(database):
    _ask(database, "a", WORDS, "yes", WORDS)
    _ask(database, "b", WORDS, "yes", WORDS, "no")
    for name in "ab":
        _forget(database, name)
    _sweep_all(database)
    assert _left(database) == [0, 1, 1, 0]


def test_what_another_session_shares_stays(database):
    _ask(database, "a", WORDS, "yes", "apart")
    body = _ask(database, "b", WORDS, "yes", WORDS, "no")
    _forget(database, "a")
    _sweep_all(database)
    assert _whole(database, "b") == (body, body)


def test_a_history_that_went_on_stays(database):
    _ask(database, "a", WORDS, "yes")
    body = _ask(database, "b", WORDS, "yes", WORDS, "no", WORDS)
    _forget(database, "b")
    _forget(database, "a")
    _ask(database, "b", WORDS, "yes", WORDS, "no", WORDS)
    _sweep_all(database)
    assert _whole(database, "b") == (body, body)


def test_what_was_removed_is_written_anew_though_it_was_remembered(database):
    parts = PartStore()
    _ask(database, "a", WORDS, "yes", WORDS, parts=parts)
    _forget(database, "a")
    _sweep_all(database, parts)
    body = _ask(database, "b", WORDS, "yes", WORDS, parts=parts)
    assert _whole(database, "b") == (body, body)


def test_a_step_looks_at_few_nodes_however_long_the_conversation(database, monkeypatch):
    _ask(database, "a", *(f"{number} {WORDS}" for number in range(300)))
    _forget(database, "a")
    seconds = itertools.count()
    monkeypatch.setattr(sweeping, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    steps = _sweep_all(database, limit_s=15)
    assert max(swept.looked_at for swept in steps) <= 16
    assert _left(database) == [0, 1, 1, 0]
