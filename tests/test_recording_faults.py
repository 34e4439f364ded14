"""What the log tells of our own bugs."""

from __future__ import annotations

import logging

from recording.faults import log_fault

logger = logging.getLogger(__name__)


def test_a_fault_is_told_with_its_places_and_without_its_words(caplog):
    try:
        try:
            int("a prompt")
        except ValueError as exc:
            raise KeyError("a key") from exc
    except KeyError:
        log_fault(logger, "It failed.")
    [record] = caplog.records
    told = record.getMessage()
    assert record.levelno == logging.ERROR
    assert told.startswith("It failed.")
    assert told.index("ValueError") < told.index("which led to") < told.index("KeyError")
    assert "test_recording_faults.py" in told
    assert record.exc_info is None
    assert '"a prompt"' in told  # The line of code itself, which holds no value of a call.
    assert "invalid literal" not in told
