"""mitmproxy's events, passed only to the addons that may have a hook for them.

For each event, eight of them in a call, mitmproxy walks through all its addons, some forty, with
several generators and a context manager for each. Most of them have no hook for it. That takes
about 0.6 ms of the event loop for every call, nearly half of what mitmproxy spends on it. An addon
that has neither a hook of that name nor other addons within it is skipped here; all others get the
event by mitmproxy's own steps, in its order.
"""

from __future__ import annotations

from typing import Any

from mitmproxy import addonmanager
from mitmproxy.exceptions import AddonHalt
from mitmproxy.hooks import Hook

from interception.wrapping import Wrap

addon_manager: Any = addonmanager
"""mitmproxy's inside, of which types promise nothing."""


async def trigger_event(manager: Any, event: Hook) -> None:
    """mitmproxy's own step, without the addons that have no hook for the event."""
    for addon in manager.chain:
        if not _may_hear(addon, event.name):
            continue
        try:
            with addon_manager.safecall():
                await manager.invoke_addon(addon, event)
        except AddonHalt:
            return


def _may_hear(addon: object, hook: str) -> bool:
    try:
        return hasattr(addon, hook) or hasattr(addon, "addons")
    except Exception:
        # What is wrong with such an addon is mitmproxy's to tell.
        return True


wrap = Wrap(
    addon_manager,
    {"AddonManager.trigger_event": trigger_event},
    needs=("AddonManager.invoke_addon", "safecall"),
    unknown="tells its addons of events in a way Diptych does not know; each call takes about half "
    "a millisecond more than it has to.",
)
