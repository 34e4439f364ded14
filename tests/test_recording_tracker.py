"""What is remembered of an exchange until its answer is whole."""

from __future__ import annotations

import uuid

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


def test_a_snapshot_is_due_after_a_second_and_again_a_second_later(clock):
    tracker = PersistenceTracker("r")
    due = [tracker.due()]
    clock[0] += 1.0
    due.append(tracker.due())
    tracker.snapshot_taken()
    due.append(tracker.due())
    assert due == [False, True, False]


def test_a_response_has_a_uuid_until_the_provider_names_it():
    assert str(uuid.UUID(PersistenceTracker("r").response_id)) != ""


def test_raw_pieces_are_taken_once_with_the_position_of_the_first(clock):
    tracker = PersistenceTracker("r")
    tracker.pieces += [(1, b"a"), (2, b"b")]
    first = tracker.take_pieces()
    tracker.pieces.append((3, b"c"))
    assert (first, tracker.take_pieces()) == ((0, [(1, b"a"), (2, b"b")]), (2, [(3, b"c")]))
