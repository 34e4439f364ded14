"""The record of every exchange: one recorder, one writer thread, one database."""

from recording.building import State
from recording.recorder import Recorder
from recording.tracker import PersistenceTracker, RequestRecord

__all__ = ["PersistenceTracker", "Recorder", "RequestRecord", "State"]
