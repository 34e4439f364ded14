"""The file beside the database where rows wait while it cannot be written.

One row a line, oldest first, for its owner's eyes only. It belongs to one process at a time: who
finds it taken uses the next number, and who starts takes over what others left behind.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from models import PANELS
from recording.database import FILE_MODE
from recording.rows import RequestRow, ResponseRow, Row

if sys.platform != "win32":
    import fcntl

LARGEST_BACKLOG = 256 << 20
"""Bytes kept in memory when not even the spill file can be written."""

_logger = logging.getLogger(__name__)

_members = msgspec.json.Decoder(dict[str, Any]).decode


def _encode(row: Row) -> bytes:
    """A line; bodies are strings in it, for people to read."""
    members = msgspec.to_builtins(row, builtin_types=(bytes,))
    for name in PANELS.keys() & members.keys():
        members[name] = members[name] and members[name].decode()
    return msgspec.json.encode(members)


def _decode(line: bytes) -> Row:
    """The row in a line.

    Raises:
        msgspec.DecodeError: there is none in it.
    """
    members = _members(line)
    for name in PANELS.keys() & members.keys():
        if isinstance(members[name], str):
            members[name] = members[name].encode()
    row: Row = msgspec.convert(members, RequestRow | ResponseRow)
    return row


class Spill:
    """A first-in, first-out store of rows that survives the process."""

    def __init__(self, path: Path) -> None:
        self._first_path = self._path = path
        self._file: int | None = None
        self._read_from = 0
        """Byte offset of the first row that was not yet taken out."""
        self._rows_in_file = 0
        self._backlog: deque[bytes] = deque()
        self._backlog_bytes = 0
        self.lost = 0
        """Rows for which there was no place at all."""

    @property
    def path(self) -> Path:
        """Where the rows are, or would be."""
        return self._path

    def __len__(self) -> int:
        return self._rows_in_file + len(self._backlog)

    def open(self) -> None:
        """Takes over the rows that an earlier run left, if there are any."""
        numbered = self._path.parent.glob(f"{self._path.name}.[0-9]*")
        for path in (self._path, *sorted(numbered)):
            if path.exists():
                self._take_over(path)

    def append(self, rows: Sequence[Row]) -> None:
        """Adds rows at the end, on disk if at all possible."""
        for row in rows:
            self._keep(_encode(row) + b"\n")
        self._flush()

    def peek(self, limit: int, most_bytes: int) -> tuple[list[Row], list[bytes]]:
        """The first rows, and the lines that hold them; none are removed.

        `limit` at most, and no more after `most_bytes` of lines.
        """
        if self._rows_in_file:
            lines = self._lines(min(limit, self._rows_in_file), most_bytes)
        else:
            lines = _first(iter(self._backlog), min(limit, len(self._backlog)), most_bytes)
        return [row for line in lines for row in self._decoded(line)], lines

    def drop(self, lines: Sequence[bytes]) -> None:
        """Removes the lines that `peek` gave, once their rows are written."""
        if not self._rows_in_file:
            for line in lines:
                self._backlog.popleft()
                self._backlog_bytes -= len(line)
            return
        self._rows_in_file -= len(lines)
        self._read_from += sum(map(len, lines))
        if not self._rows_in_file:
            self._remove_file()

    def close(self) -> None:
        """Leaves what still waits to the next run, and no empty file.

        What is in memory goes to the file now, or is lost.
        """
        if self._backlog:
            self._flush()
            self.lost += len(self._backlog)
            self._backlog.clear()
            self._backlog_bytes = 0
        if self._file is not None and self._rows_in_file:
            os.close(self._file)
            self._file = None
        else:
            self._remove_file()

    def _keep(self, line: bytes) -> None:
        if self._backlog_bytes + len(line) > LARGEST_BACKLOG:
            self.lost += 1
            return
        self._backlog.append(line)
        self._backlog_bytes += len(line)

    def _flush(self) -> None:
        """Moves the backlog to the file; where that fails it stays in memory."""
        try:
            file = self._file or self._claim_any()
            while self._backlog:
                self._write_line(file, self._backlog[0])
                self._rows_in_file += 1
                self._backlog_bytes -= len(self._backlog.popleft())
        except OSError:
            return

    @staticmethod
    def _write_line(file: int, line: bytes) -> None:
        end = os.lseek(file, 0, os.SEEK_END)
        try:
            written = os.write(file, line)
        except OSError:
            written = 0
        if written < len(line):
            # A full disk: half a line must not stay.
            os.ftruncate(file, end)
            raise OSError(errno.ENOSPC, "no space for the line")

    def _claim_any(self) -> int:
        number, path = 1, self._first_path
        while (file := _claim(path)) is None:
            number += 1
            path = self._first_path.with_name(f"{self._first_path.name}.{number}")
        self._own(file, path, _whole_lines(file))
        return file

    def _own(self, file: int, path: Path, lines: Sequence[bytes]) -> None:
        """Goes on with a file, and with the rows in it that its owner left when it ended."""
        self._file, self._path, self._rows_in_file = file, path, len(lines)

    def _take_over(self, path: Path) -> None:
        file = _claim(path)
        if file is None:
            return
        lines = _whole_lines(file)
        if self._file is None:
            self._own(file, path, lines)
        else:
            self._backlog.extend(lines)
            self._backlog_bytes += sum(map(len, lines))
            self._flush()
            if not self._backlog:
                path.unlink(missing_ok=True)
            os.close(file)

    def _lines(self, limit: int, most_bytes: int) -> list[bytes]:
        assert self._file is not None
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(self._read_from)
            return _first(file, limit, most_bytes)

    def _decoded(self, line: bytes) -> list[Row]:
        try:
            return [_decode(line)]
        except msgspec.DecodeError:
            _logger.warning("A line of %s is not a row of the record; it is left out.", self._path)
            return []

    def _remove_file(self) -> None:
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
        self._file, self._read_from = None, 0


def _first(lines: Iterator[bytes], limit: int, most_bytes: int) -> list[bytes]:
    """The first lines, as many as there may be."""
    first: list[bytes] = []
    size = 0
    for line in islice(lines, limit):
        first.append(line)
        size += len(line)
        if size >= most_bytes:
            break
    return first


def _claim(path: Path) -> int | None:
    """The open file, made if need be, unless another process has it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, FILE_MODE)
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(file)
                return None
        # Its owner may have removed it between our opening and our locking.
        if path.exists() and path.stat().st_ino == os.fstat(file).st_ino:
            return file
        os.close(file)


def _whole_lines(file: int) -> list[bytes]:
    """The lines of the file; what a killed process left half-written at the end is cut off."""
    with os.fdopen(os.dup(file), "rb") as reader:
        reader.seek(0)
        lines = reader.readlines()
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
        os.ftruncate(file, sum(map(len, lines)))
    return lines
