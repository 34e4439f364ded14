"""What is remembered of an exchange until its answer is whole."""

from __future__ import annotations

import pytest

from recording.tracker import PersistenceTracker


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("recording.tracker.time.monotonic", lambda: now[0])
    return now


def test_the_first_chunk_is_noted_once(clock):
    tracker = PersistenceTracker("r")
    clock[0] += 0.25
    tracker.first_chunk()
    clock[0] += 1
    tracker.first_chunk()
    assert (tracker.first_chunk_ms, tracker.elapsed_ms()) == (250, 1250)


def test_a_response_has_its_request_s_id_until_the_provider_names_it():
    assert PersistenceTracker("r").response_id == "r"


def test_raw_pieces_are_written_once_each_at_its_position():
    tracker = PersistenceTracker("r")
    tracker.pieces += [(1, b"a"), (2, b"b"), (3, b"c")]
    assert tracker.write_pieces(2, tracker.pieces[2:]) == 0
    tracker.pieces.append((4, b"d"))
    assert tracker.write_pieces(2, []) == 2
    assert tracker.pieces == []
