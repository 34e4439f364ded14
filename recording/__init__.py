"""The record of every exchange: one recorder, one writer thread, one database.

Where to look:

- what is told becomes rows: `recorder`, `tracker`, `building`, `bodies`, `redaction`
- rows are written: `row_queue`, `writer`, `rows`, `database`, `spill`, `refusals`
- which call belongs to which conversation: `sessions`, `chains`, `clues`, `placing`
- long bodies in parts, each kept once: `cutting`, `parts`, `histories`
- full-text search: `words`, `search`
- what providers gave, put back: `states`, `state_rows`, `state_reader`, `memory`
- forgetting: `retention`, `sweeping`, `weighing`, `deleting`
- by hand: `commands`, `copying`, and the command line in `__main__`
- what knows nothing of the record, and serves others too: `alike`, `lately`, `faults`, `rare_log`
"""

from recording.building import AnswerState
from recording.recorder import Recorder
from recording.tracker import PersistenceTracker, RequestRecord

__all__ = ["AnswerState", "PersistenceTracker", "Recorder", "RequestRecord"]
