"""Our own bugs in the log: where they happened, and nothing of what was being said.

The message of an exception may repeat the value that it choked on, a prompt or a key; only the
places and the names of the exceptions are told.
"""

from __future__ import annotations

import logging
import sys
import traceback


def log_fault(logger: logging.Logger, message: str) -> None:
    """Logs the exception that is being handled, with the places it passed through."""
    exc = sys.exception()
    lines = "".join(_lines(exc)) if exc is not None else ""
    logger.error("%s\n%s", message, lines.rstrip())


def _lines(exc: BaseException) -> list[str]:
    cause = exc.__cause__ or exc.__context__
    before = [*_lines(cause), "which led to\n"] if cause is not None else []
    return [*before, *traceback.format_tb(exc.__traceback__), f"{type(exc).__qualname__}\n"]
