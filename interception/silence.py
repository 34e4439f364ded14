"""The time-out that mitmproxy lacks: a provider that says nothing for too long is cut off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class SilenceWatch:
    """Calls `on_silence` once, after `seconds` without a `touch`; 0 seconds never does.

    A touch only notes the time, since it happens for every piece of a stream; the one timer
    looks at the note when it fires and sleeps for what is left.
    """

    def __init__(self, seconds: int, on_silence: Callable[[], None]) -> None:
        self.expired = False
        self._seconds = seconds
        self._on_silence = on_silence
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The provider has the word."""
        self.touch()
        if self._seconds:
            self._arm(self._seconds)

    def touch(self) -> None:
        """The provider said something."""
        self._heard = time.monotonic()

    def stop(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        left = self._heard + self._seconds - time.monotonic()
        if left > 0:
            self._arm(left)
        else:
            self.expired = True
            self._on_silence()
