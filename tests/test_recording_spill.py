"""The file where rows wait."""

from __future__ import annotations

import os

import pytest

from recording.spill import Spill
from recording.state_rows import StateRow
from tests.records import request_row, response_row

PLENTY = 1 << 30

ROWS = [
    request_row("r1", openai_request='{"a": "é\\u0000\\ud83d"}'),
    response_row("r1", pieces=[(3, b"\x00\xff")]),
    request_row("r2", stream=False),
]

REQUEST_LINE = r"""
{"type":"request","request_id":"r1",
"openai_request":"{\"a\": \"é\\u0000\\ud83d 🌍 \\\"\"}","provider_request":null,
"provider":"anthropic","model":"gpt-4o","provider_model":"claude-sonnet-4-5",
"upstream_url":"https://api.anthropic.com/v1/messages","method":"POST",
"path":"/v1/chat/completions","stream":true,"dropped":null,"client":null,
"timestamp":1795000000000,"created_at":1795000000001,"explicit_session":null,"title":"Hi",
"lifetime_ms":0,"digest":null,"answered":null,"message_count":0,"who":"",
"clues":{"opening":null,"offers_tools":false,"exchange":null,"summaries":[],"quoted":null}}
""".replace("\n", "")
ANSWER_LINE = r"""
{"type":"response","request_id":"r1","response_id":"answer to r1",
"fallback_id":"fallback of r1","openai_response":"{\"a\":\"–\"}",
"provider_response":"\"<html>\"","completion_tokens":null,"prompt_tokens":null,
"total_tokens":null,"cached_tokens":null,"reasoning_tokens":null,"finish_reason":null,
"error":null,"status_code":200,"state":"complete","duration_ms":5,"first_chunk_ms":null,
"timestamp":1795000000002,"turns":["t"],"message_count":0,"chat_id":null,"who":"","clues":[],
"summaries":[],"first_piece":0,"pieces":[[3,"AP8="]],
"states":[{"choice":0,"provider":"anthropic","keys":["k"],"state":"{}"}]}
""".replace("\n", "")
AS_EVER = [
    (
        REQUEST_LINE,
        request_row("r1", openai_request=r'{"a": "é\u0000\ud83d 🌍 \""}', provider_request=None),
    ),
    (
        ANSWER_LINE,
        response_row(
            "r1",
            openai_response='{"a":"–"}',
            provider_response='"<html>"',
            pieces=[(3, b"\x00\xff")],
            turns=["t"],
            states=[StateRow(0, "anthropic", ["k"], "{}")],
        ),
    ),
]
"""Lines as other versions write and read them, and their rows."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chats.db.spill"


@pytest.fixture
def spill(path):
    opened = Spill(path)
    yield opened
    opened.close()


def _all_rows(spill):
    return spill.peek(100, PLENTY)[0]


def test_rows_come_back_as_they_were_in_order(spill):
    spill.append(ROWS[:1])
    spill.append(ROWS[1:])
    assert (_all_rows(spill), len(spill)) == (ROWS, 3)


@pytest.mark.parametrize(("line", "row"), AS_EVER, ids=["request", "answer"])
def test_another_version_takes_the_file_over_in_either_direction(spill, path, line, row):
    path.write_bytes(f"{line}\n".encode())
    spill.open()
    assert _all_rows(spill) == [row]
    spill.append([row])
    assert path.read_bytes() == f"{line}\n{line}\n".encode()


def test_rows_stay_until_they_are_dropped(spill):
    spill.append(ROWS)
    _, lines = spill.peek(2, PLENTY)
    spill.drop(lines)
    assert (_all_rows(spill), len(spill)) == (ROWS[2:], 1)


def test_rows_are_added_behind_those_that_wait(spill):
    spill.append(ROWS[:2])
    spill.drop(spill.peek(1, PLENTY)[1])
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
    spill.drop(spill.peek(3, PLENTY)[1])
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
    running.drop(running.peek(2, PLENTY)[1])
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
    line = REQUEST_LINE.replace('"provider_request":null', '"provider_request":1')
    path.write_bytes(f"{{}}\n{line}\n".encode())
    spill.open()
    spill.append(ROWS)
    rows, lines = spill.peek(9, PLENTY)
    assert (rows, len(lines), caplog.text.count("is not a row")) == (ROWS, 5, 2)


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


@pytest.mark.parametrize("in_file", [True, False])
def test_no_more_is_taken_out_than_there_is_room_for(spill, monkeypatch, in_file):
    if not in_file:
        monkeypatch.setattr(spill, "_flush", lambda: None)
    spill.append([request_row(f"r{number}", openai_request="x" * 1000) for number in range(9)])
    rows, lines = spill.peek(9, 2500)
    assert [row.request_id for row in rows] == ["r0", "r1"]
    assert len(lines) == 2
    assert len(spill.peek(9, 1)[1]) == 1
