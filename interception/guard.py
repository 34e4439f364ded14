"""What stands behind the addon: no call leaves before it is settled where it goes.

mitmproxy sends a request on as it is when a hook raises, and goes on without an addon that it
could not load anew, say after a slip of the pen was saved. With routes set, such a call would reach
a host that it is not for. So the guard, which outlives every reload, comes after the addon in each
hook: it refuses what the addon did not settle, and ends the calls that the addon left in flight.

When the proxy stops, mitmproxy goes on with its flows for a while after it has told its addons. So
it is held up here until every call is at its end, for the client and for the record.
"""

from __future__ import annotations

import asyncio
import logging
import time
from weakref import WeakSet

from mitmproxy import ctx
from mitmproxy.addonmanager import AddonManager
from mitmproxy.http import HTTPFlow

from interception import failures
from interception.border import border
from interception.call_in_flight import STOPPED, in_flight
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

GRACE_S = 2.0
"""How long a proxy that stops waits for its calls to end, once their providers are cut off."""

_CHECK_EVERY_S = 0.005

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
        self._is_stopping = False

    def request(self, flow: HTTPFlow) -> None:
        """Refuses a call of which nobody knows where it goes."""
        if self._is_stopping and flow.response is None:
            self._turn_away(flow)
        if flow.response is not None or flow in _settled or not ctx.options.chat_routes:
            return
        if is_chat_completion(flow.request):
            self._log.warning("A call was refused, since it is not known where it goes.")
            flow.response = error_response(REFUSAL, None)

    async def response(self, flow: HTTPFlow) -> None:
        """Translates an answer that the addon did not see."""
        call = in_flight.get(flow.id)
        if call is not None:
            with border(call):
                await call.finish()
            in_flight.pop(flow.id, None)

    def error(self, flow: HTTPFlow) -> None:
        """Ends a call whose end the addon did not see."""
        call = in_flight.pop(flow.id, None)
        if call is not None:
            with border(call):
                call.fail()

    async def done(self) -> None:
        """Ends the calls that are in flight when the proxy ends, and keeps what there is of them.

        Each client hears of it, or has its connection closed; none hears more than is recorded.
        """
        self._is_stopping = True
        failures.wrap.install()
        give_up_at = time.monotonic() + GRACE_S
        while _are_open() and time.monotonic() < give_up_at:
            for call in in_flight.values():
                with border(None, "A call could not be ended."):
                    call.stop()
            await asyncio.sleep(_CHECK_EVERY_S)
        left = [*in_flight.values()]
        in_flight.clear()
        for call in left:
            with border(call):
                await call.leave()
        # An answer is put on record in the turn after the one that hands it on.
        await asyncio.sleep(0)
        failures.wrap.uninstall()
        relieve()

    def _turn_away(self, flow: HTTPFlow) -> None:
        call = in_flight.pop(flow.id, None)
        if call is not None:
            with border(call):
                call.turn_away()
        elif is_chat_completion(flow.request):
            flow.response = error_response(STOPPED, None)


def _are_open() -> bool:
    """Whether somebody waits for an answer, or has yet to be handed one."""
    return bool(in_flight) or any(flow.live for flow in [*_settled])


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
