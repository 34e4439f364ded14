"""Deleting a session by hand, while a proxy may be writing."""

from __future__ import annotations

import time

from peewee import Database

from recording.retention import BY_HAND_PAUSE_S, BY_HAND_STEP_MS, Retention, remove_session


def delete_session(database: Database, session_id: str) -> bool:
    """Removes a session and what nothing else needs of it; whether there was one.

    Raises:
        peewee.DatabaseError: the database cannot be written.
    """
    steps = 0
    for _ in remove_session(database, session_id):
        steps += 1
        time.sleep(BY_HAND_PAUSE_S)
    if not steps:
        return False
    # The texts that only this session held, and what the index has of them.
    left = Retention(step_ms=BY_HAND_STEP_MS)
    while left.step(database, idle=True):
        time.sleep(BY_HAND_PAUSE_S)
    return True
