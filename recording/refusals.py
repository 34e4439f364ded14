"""The list of records that the database refused, beside it: what and why, without what was said.

A refused record is in nobody's way and is not tried again, so without the list it could only be
found in the log.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from models import now_ms
from recording.database import FILE_MODE
from recording.rows import RequestRow, Row

LARGEST_LIST = 1 << 20
"""Bytes; what is refused from then on is in the log alone."""

_logger = logging.getLogger(__name__)


def kind(row: Row) -> str:
    """What the row tells of an exchange."""
    return "request" if isinstance(row, RequestRow) else "answer"


def note(path: Path, row: Row, refused: Exception) -> None:
    """Adds a line to the list. That it cannot be written holds nobody up."""
    line = {
        "at": now_ms(),
        "what": kind(row),
        "request_id": row.request_id,
        "why": type(refused).__name__,
    }
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
        try:
            if os.fstat(file).st_size < LARGEST_LIST:
                os.write(file, msgspec.json.encode(line) + b"\n")
        finally:
            os.close(file)
    except OSError as exc:
        _logger.warning("%s cannot be written: %s", path, exc.strerror)


def count(path: Path) -> int:
    """How many records are in the list."""
    return path.read_bytes().count(b"\n") if path.exists() else 0
