"""mitmproxy's events, passed only to the addons that may have a hook for them.

For each event, eight of them in a call, mitmproxy walks through all its addons, some forty, with
several generators and a context manager for each. Most of them have no hook for it. That takes
about 0.6 ms of the event loop for every call, nearly half of what mitmproxy spends on it. Here an
addon that has neither a hook of that name nor other addons within it is skipped, and one that has
just a hook is told at once; all others get the event by mitmproxy's own steps. The order is its.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from mitmproxy import addonmanager
from mitmproxy.exceptions import AddonHalt
from mitmproxy.hooks import Hook

from interception.wrapping import Wrap

addon_manager: Any = addonmanager
"""mitmproxy's inside, of which types promise nothing."""


async def trigger_event(manager: Any, event: Hook) -> None:
    """mitmproxy's own step, without the addons that have no hook for the event."""
    name, told = event.name, event.args()
    for addon in manager.chain:
        try:
            hook, has_others = getattr(addon, name, None), hasattr(addon, "addons")
        except Exception:
            # What is wrong with such an addon is mitmproxy's to tell.
            hook, has_others = None, True
        if hook is None and not has_others:
            continue
        try:
            with addon_manager.safecall():
                if hook and callable(hook) and not has_others:
                    await invoke_addon(manager, addon, hook, told, event)
                else:
                    await manager.invoke_addon(addon, event)
        except AddonHalt:
            return


async def invoke_addon(
    manager: Any, addon: Any, hook: Callable[..., Any], told: list[Any], event: Hook
) -> None:
    """mitmproxy's own step for an addon with a hook, and no other addons within it.

    Where a hook fails, mitmproxy logs only what is beneath a step of this name.
    """
    result = hook(*told)
    if result is not None and inspect.isawaitable(result):
        await result
    for grown in getattr(addon, "addons", ()):
        await manager.invoke_addon(grown, event)


wrap = Wrap(
    addon_manager,
    {"AddonManager.trigger_event": trigger_event},
    needs=("AddonManager.invoke_addon", "safecall"),
    unknown="tells its addons of events in a way Diptych does not know; each call takes about half "
    "a millisecond more than it has to.",
)
