"""Log lines that come once, and then only now and then, with the number of those held back."""

from __future__ import annotations

import logging
import time

EVERY_S = 30.0


class RareLog:
    """One kind of trouble in the log."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._quiet_until = 0.0
        self._held_back = 0
        self._said = False

    def warning(self, message: str, *arguments: object) -> None:
        """Logs the message, or counts it when one was logged a short time ago."""
        now = time.monotonic()
        if now < self._quiet_until:
            self._held_back += 1
            return
        if self._held_back:
            message += f" ({self._held_back} more like this since the last such line)"
        self._logger.warning(message, *arguments)
        self._quiet_until = now + EVERY_S
        self._held_back, self._said = 0, True

    def over(self, message: str) -> None:
        """Logs that the trouble has ended, if it was ever told of."""
        if self._said:
            self._logger.warning(message)
        self._quiet_until, self._held_back, self._said = 0.0, 0, False
