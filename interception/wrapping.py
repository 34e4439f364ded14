"""Ours in place of steps of mitmproxy's own, where no hook reaches.

mitmproxy promises nothing about its inside. So steps are exchanged only in the generations of it
that are known, and only where all that ours lean on is there; otherwise mitmproxy is left as it
is, and the log says what is lost by that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from mitmproxy import version

logger = logging.getLogger(__name__)

KNOWN_GENERATIONS = ("11", "12")


class Wrap:
    """Ours for steps of one module of mitmproxy's: all of them, or none."""

    def __init__(
        self, module: Any, steps: Mapping[str, Any], *, needs: Iterable[str], unknown: str
    ) -> None:
        """`steps` and `needs` name members of the module, or of its classes by `Class.member`.

        `unknown` is said of a mitmproxy that is not known, after its version.
        """
        self.own: dict[str, Any] = {}
        """mitmproxy's steps. They are kept for good: a connection that is open when they are put
        back goes on with ours, which go on with them."""
        self._module = module
        self._steps = steps
        self._needs = (*steps, *needs)
        self._unknown = unknown
        self.is_installed = False
        """Whether ours are in place."""

    def install(self) -> None:
        """Puts ours in place, once; warns instead where mitmproxy is not known."""
        if self.is_installed:
            return
        if not self._is_known():
            logger.warning("mitmproxy %s %s", version.VERSION, self._unknown)
            return
        self.own = {name: getattr(*self._owner(name)) for name in self._steps}
        self._put(self._steps)
        self.is_installed = True

    def uninstall(self) -> None:
        """Puts mitmproxy's own steps back."""
        if self.is_installed:
            self._put(self.own)
            self.is_installed = False

    def _is_known(self) -> bool:
        is_known = version.VERSION.split(".")[0] in KNOWN_GENERATIONS
        return is_known and all(self._has(name) for name in self._needs)

    def _has(self, name: str) -> bool:
        owner, member = self._owner(name)
        # What only instances have is at most declared in their class.
        return hasattr(owner, member) or member in getattr(owner, "__annotations__", ())

    def _put(self, steps: Mapping[str, Any]) -> None:
        for name, step in steps.items():
            owner, member = self._owner(name)
            setattr(owner, member, step)

    def _owner(self, name: str) -> tuple[Any, str]:
        """What holds a member, None where that is missing, and the member's own name."""
        within, _, member = name.rpartition(".")
        return (getattr(self._module, within, None) if within else self._module), member
