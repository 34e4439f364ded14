"""Deleting a session by hand, while a proxy may be writing."""

from __future__ import annotations

import time

from peewee import Database

from recording.retention import Retention, remove_session

_PAUSE_S = 0.01
_STEP_MS = 5
"""A step of ours; the proxy's writer waits 10 ms for a lock before it resorts to its file."""


def delete_session(database: Database, session_id: str) -> bool:
    """Removes a session and what nothing else needs of it; whether there was one.

    Raises:
        peewee.DatabaseError: the database cannot be written.
    """
    steps = 0
    for _ in remove_session(database, session_id):
        steps += 1
        time.sleep(_PAUSE_S)
    if not steps:
        return False
    # The texts that only this session held, and what the index has of them.
    left = Retention(step_ms=_STEP_MS)
    while left.step(database, idle=True):
        time.sleep(_PAUSE_S)
    return True
