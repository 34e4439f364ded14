"""The file where rows wait."""

from __future__ import annotations

import os

import pytest

from recording.spill import Spill
from tests.records import request_row, response_row

ROWS = [
    request_row("r1", openai_request='{"a": "é\\u0000\\ud83d"}'),
    response_row("r1", pieces=[(3, b"\x00\xff")]),
    request_row("r2", stream=False),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chats.db.spill"


@pytest.fixture
def spill(path):
    opened = Spill(path)
    yield opened
    opened.close()


def _all_rows(spill):
    return spill.peek(100)[0]


def test_rows_come_back_as_they_were_in_order(spill):
    spill.append(ROWS[:1])
    spill.append(ROWS[1:])
    assert (_all_rows(spill), len(spill)) == (ROWS, 3)


def test_rows_stay_until_they_are_dropped(spill):
    spill.append(ROWS)
    _, lines = spill.peek(2)
    spill.drop(lines)
    assert (_all_rows(spill), len(spill)) == (ROWS[2:], 1)


def test_rows_are_added_behind_those_that_wait(spill):
    spill.append(ROWS[:2])
    spill.drop(spill.peek(1)[1])
    spill.append(ROWS[2:])
    assert _all_rows(spill) == ROWS[1:]


def test_the_file_is_for_nobody_else(spill, path):
    before = os.umask(0)
    spill.append(ROWS)
    os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_is_there_only_while_rows_wait(spill, path):
    spill.append(ROWS)
    assert path.exists()
    spill.drop(spill.peek(3)[1])
    assert not path.exists()


def test_the_next_run_takes_over_what_is_left(spill, path):
    spill.append(ROWS)
    spill.close()
    later = Spill(path)
    later.open()
    assert _all_rows(later) == ROWS
    later.close()


def test_who_needs_a_file_that_another_left_goes_on_with_what_is_in_it(spill, path):
    spill.append(ROWS[:2])
    running = Spill(path)
    spill.close()
    running.append(ROWS[2:])
    assert (_all_rows(running), len(running)) == (ROWS, 3)
    running.drop(running.peek(2)[1])
    assert _all_rows(running) == ROWS[2:]
    running.close()
    assert path.exists()


def test_a_half_written_last_line_is_left_out(spill, path):
    spill.append(ROWS[:2])
    spill.close()
    with path.open("ab") as file:
        file.write(b'{"type":"request","request_')
    later = Spill(path)
    later.open()
    later.append(ROWS[2:])
    assert _all_rows(later) == ROWS
    later.close()


def test_a_line_that_is_no_row_is_left_out_and_logged(spill, path, caplog):
    path.write_bytes(b"{}\n")
    spill.open()
    spill.append(ROWS)
    rows, lines = spill.peek(9)
    assert (rows, len(lines), "is not a row" in caplog.text) == (ROWS, 4, True)


def test_two_processes_never_share_a_file(spill, path):
    other = Spill(path)
    spill.append(ROWS[:1])
    other.append(ROWS[1:])
    assert (_all_rows(spill), _all_rows(other)) == (ROWS[:1], ROWS[1:])
    other.close()


def test_what_several_processes_left_is_taken_over_by_the_next(spill, path):
    other = Spill(path)
    spill.append(ROWS[:1])
    other.append(ROWS[1:])
    other.close()
    spill.close()
    later = Spill(path)
    later.open()
    assert (_all_rows(later), sorted(path.parent.iterdir())) == (ROWS, [path])
    later.close()


def test_rows_wait_in_memory_while_the_file_cannot_be_written(tmp_path):
    folder = tmp_path / "later"
    spill = Spill(folder / "chats.db.spill")
    spill.append(ROWS[:2])
    assert (_all_rows(spill), len(spill)) == (ROWS[:2], 2)
    folder.mkdir()
    spill.append(ROWS[2:])
    spill.close()
    assert len(spill.path.read_bytes().splitlines()) == 3


def test_a_full_disk_leaves_no_half_line(spill, path, monkeypatch):
    spill.append(ROWS[:1])
    whole, write = path.read_bytes(), os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda file, line: write(file, line[:5]))
        spill.append(ROWS[1:])
    assert path.read_bytes() == whole
    assert len(spill) == 3


def test_memory_is_bounded_and_what_is_lost_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("recording.spill.LARGEST_BACKLOG", 600)
    spill = Spill(tmp_path / "nowhere" / "spill")
    spill.append(ROWS)
    assert len(spill) + spill.lost == 3
    assert spill.lost > 0
