"""What stands behind the addon: no call leaves before it is settled where it goes.

mitmproxy sends a request on as it is when a hook raises, and goes on without an addon that it
could not load anew, say after a slip of the pen was saved. With routes set, such a call would reach
a host that it is not for. So the guard, which outlives every reload, comes after the addon in each
hook: it refuses what the addon did not settle, and ends the calls that the addon left in flight.
"""

from __future__ import annotations

import logging
from weakref import WeakSet

from mitmproxy import ctx
from mitmproxy.addonmanager import AddonManager
from mitmproxy.http import HTTPFlow

from interception.border import border
from interception.call_in_flight import in_flight
from interception.messages import error_response, is_chat_completion
from recording import Recorder
from recording.rare_log import RareLog
from transforms.contract import ErrorAnswer

REFUSAL = ErrorAnswer(
    500,
    "Diptych cannot tell where this call goes, so it was not sent: the addon failed, or is not "
    "loaded; the proxy's log has the details.",
    "translation_error",
)

_settled: WeakSet[HTTPFlow] = WeakSet()


def settle(flow: HTTPFlow) -> None:
    """The call may leave as it now is: turned to its provider, or no route takes it."""
    _settled.add(flow)


class Guard:
    """An addon of its own, behind all others."""

    name = "diptych-guard"

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        """Of an addon that is gone, for its calls in flight."""
        self._log = RareLog(logging.getLogger(__name__))

    def request(self, flow: HTTPFlow) -> None:
        """Refuses a call of which nobody knows where it goes."""
        if flow.response is not None or flow in _settled or not ctx.options.chat_routes:
            return
        if is_chat_completion(flow.request):
            self._log.warning("A call was refused, since it is not known where it goes.")
            flow.response = error_response(REFUSAL, None)

    async def response(self, flow: HTTPFlow) -> None:
        """Translates an answer that the addon did not see."""
        call = in_flight.pop(flow.id, None)
        if call is not None:
            with border(call):
                await call.finish()

    def error(self, flow: HTTPFlow) -> None:
        """Ends a call whose end the addon did not see."""
        call = in_flight.pop(flow.id, None)
        if call is not None:
            with border(call):
                call.fail()

    def done(self) -> None:
        """Keeps the partial answers of calls that are in flight when the proxy ends.

        Runs before the last `error`s.
        """
        for call in in_flight.values():
            with border(call):
                call.end_early("the proxy stopped")
        in_flight.clear()
        relieve()


_guard = Guard()


def install(addons: AddonManager) -> None:
    """Puts the guard behind all other addons, once for the life of the proxy."""
    if _guard not in addons:
        addons.add(_guard)


def take_over(recorder: Recorder) -> None:
    """Keeps the recorder of an addon that goes, until another is there or the proxy ends."""
    _guard.recorder = recorder


def relieve() -> None:
    """Stops the recorder that was taken over, if there is one."""
    if _guard.recorder is not None:
        _guard.recorder.stop()
        _guard.recorder = None
