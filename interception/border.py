"""The border around our own code: a failure of ours costs one call an error, and no other flow."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from interception.call_in_flight import CallInFlight
from recording.faults import log_fault

logger = logging.getLogger(__name__)


@contextmanager
def border(
    call: CallInFlight | None, message: str = "A call could not be followed."
) -> Iterator[None]:
    """Logs what fails within, without its words; the call of which it was part collapses."""
    try:
        yield
    except Exception:
        log_fault(logger, message)
        if call is not None:
            with border(None, "The failure of a call could not be recorded."):
                call.collapse()
