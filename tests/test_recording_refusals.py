"""The list of records that the database refused."""

from __future__ import annotations

import pytest

from recording import refusals
from recording.refusals import count, note
from tests.records import request_row, response_row


@pytest.fixture
def path(tmp_path):
    """Where the list is to be."""
    return tmp_path / "chats.db.refused"


def test_there_is_no_list_before_the_first_refusal(path):
    assert count(path) == 0


def test_the_list_counts_and_is_for_its_owner_alone(path):
    note(path, request_row("one"), ValueError("private"))
    note(path, response_row("two"), LookupError("private"))
    assert count(path) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    assert "private" not in path.read_text()


def test_the_list_does_not_grow_for_ever(path, monkeypatch):
    monkeypatch.setattr(refusals, "LARGEST_LIST", 300)
    for number in range(50):
        note(path, request_row(f"r{number}"), ValueError())
    assert 0 < count(path) < 10


def test_a_list_that_cannot_be_written_is_told_in_the_log(path, caplog):
    path.mkdir()
    note(path, request_row("one"), ValueError())
    assert "cannot be written" in caplog.text
