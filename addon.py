"""Diptych: OpenAI chat completions to any provider, and both panels of every exchange kept.

Run it with `mitmdump -s addon.py`. The hooks are a table of contents: each names what happens to
a call at its moment and hands the work on. A call is either routed, and translated both ways, or
bare, and passed as it is; both are recorded.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.http import HTTPFlow

from inspection import contentviews, flow_list
from interception import (
    body_size,
    dispatch,
    failures,
    guard,
    http1,
    message_types,
    messages,
    named_host,
    options,
    printing,
)
from interception.bare_call import BareCall
from interception.border import border
from interception.call_in_flight import CallInFlight, Surroundings, in_flight
from interception.drafting import Drafting
from interception.listening import listen_where_told
from interception.pages import Pages, is_for_pages
from interception.reading import Reader
from interception.routed_call import RoutedCall
from recording import Recorder
from recording.database import shown_url
from routes import Routes
from transforms.json_text import dumps

logger = logging.getLogger(__name__)

INSTALLED = (
    contentviews,
    failures.wrap,
    http1.wrap,
    named_host.wrap,
    body_size.wrap,
    dispatch.wrap,
    message_types.wrap,
)
"""What Diptych adds to mitmproxy, or does in its place, for as long as the addon is loaded."""


COLLECTED_AFTER = (700, 5, 1)
"""New objects until a garbage collection, and collections until one of older and of all objects."""


class Diptych:
    """The addon. Its state is the routes, the recorder and the calls in flight, by flow id."""

    def __init__(self) -> None:
        self._routes: Routes | None = None
        """None until the options are read: then no call is taken for one without a route."""
        self._recorder: Recorder | None = None
        self._reader = Reader()
        self._drafting = Drafting()
        self._calls = in_flight
        self._flow_list = flow_list.FlowList()
        self._around: Surroundings | None = None
        self._listening: asyncio.Task[None] | None = None
        self._pages = Pages()

    def load(self, loader: Loader) -> None:
        """Declares the options, and what Diptych adds to mitmproxy."""
        options.declare(loader)
        for part in INSTALLED:
            part.install()
        flow_list.show_comments(ctx.options)
        # These outlive the addon, since calls may still be in flight.
        guard.install(ctx.master.addons)
        printing.wrap.install()

    def configure(self, updated: set[str]) -> None:
        """Takes changed options in; a value that does not fit ends the start."""
        try:
            self._configure(updated)
        except exceptions.OptionsError as exc:
            # mitmproxy buries the message under a traceback.
            logger.error(str(exc))
            raise

    def running(self) -> None:
        """Sees to it that the proxy listens where it should.

        What stands by now stands for good: leaving it out of garbage collections saves the loop
        pauses of a tenth of a second. So whole collections are cheap, and come more often:
        mitmproxy's flows are held in circles, and give back their bodies to them alone.
        """
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECTED_AFTER)
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    async def request(self, flow: HTTPFlow) -> None:
        """Turns a routed call to its provider, once its record is committed."""
        if flow.response is not None or flow.error is not None:
            return
        with border(None, "A request could not be looked at."):
            if is_for_pages(flow):
                await self._pages.answer(flow)
            elif self._routes and messages.is_model_list(flow.request):
                listed = dumps(self._routes.models())
                flow.response = messages.response(200, listed, {"content-type": "application/json"})
            elif messages.is_chat_completion(flow.request):
                await self._send(flow)

    def responseheaders(self, flow: HTTPFlow) -> None:
        """Takes a stream in hand before its first byte passes."""
        call = self._calls.get(flow.id)
        if call is not None:
            with border(call):
                call.headers()

    async def response(self, flow: HTTPFlow) -> None:
        """Translates a plain answer, and records the exchange."""
        call = self._calls.get(flow.id)
        if call is not None:
            with border(call):
                await call.finish()
                self._flow_list.trim(ctx.master, ctx.options.chat_flows, flow)
            self._calls.pop(flow.id, None)

    def error(self, flow: HTTPFlow) -> None:
        """Records what came of an exchange that broke off."""
        call = self._calls.pop(flow.id, None)
        if call is not None:
            with border(call):
                call.fail()
                self._flow_list.trim(ctx.master, ctx.options.chat_flows, flow)

    def done(self) -> None:
        """Leaves calls in flight, and the recorder, to the next instance or to the proxy's end."""
        self._pages.stop()
        if self._recorder is not None:
            guard.take_over(self._recorder)
            self._recorder = self._around = None
        for part in INSTALLED:
            part.uninstall()

    def _configure(self, updated: set[str]) -> None:
        options.check_values()
        if "chat_routes" in updated:
            self._routes = options.parse_routes(ctx.options.chat_routes)
        options.protect_rewrites()
        if updated & options.RECORDER_OPTIONS:
            self._open_recorder()
        if self._recorder is not None:
            self._around = self._surroundings(self._recorder)

    async def _listen(self) -> None:
        await listen_where_told()
        with border(None, "It could not be told where the pages are."):
            self._pages.announce()

    async def _send(self, flow: HTTPFlow) -> None:
        if self._around is None:
            # The addon is done: the guard sees to what still comes.
            return
        call = None
        with border(None, "A call could not be prepared."):
            call = self._open_call(flow)
            self._calls[flow.id] = call
        if call is None or await self._sent(call):
            return
        with border(None, "A call could not be recorded."):
            # mitmproxy would send a routed call on untranslated.
            await call.abandon()

    async def _sent(self, call: CallInFlight) -> bool:
        with border(None, "A call could not be prepared."):
            await call.send()
            guard.settle(call.flow)
            return True
        return False

    def _open_call(self, flow: HTTPFlow) -> CallInFlight:
        assert self._routes is not None
        assert self._around is not None
        received = self._reader.received(flow.request)
        model = messages.model_of(received.body, received.text)
        target = self._routes.target(model)
        if target is None:
            # At once: a bare call may leave even if its record fails.
            guard.settle(flow)
            return BareCall(flow, received, model, self._around)
        return RoutedCall(flow, received, model, self._around, target=target)

    def _surroundings(self, recorder: Recorder) -> Surroundings:
        """What calls need of the options, looked up once and not for each of them."""
        return Surroundings(
            recorder=recorder,
            environment=os.environ,
            timeout_seconds=ctx.options.chat_timeout,
            keep_raw=ctx.options.chat_raw,
            drafting=self._drafting,
            keys_for_all=options.keys_for_all(),
        )

    def _waiting(self) -> int:
        return self._recorder.waiting if self._recorder is not None else 0

    def _open_recorder(self) -> None:
        guard.relieve()
        if self._recorder is not None:
            self._recorder.stop()
        try:
            self._recorder = Recorder(
                ctx.options.chat_db,
                store=ctx.options.chat_store,
                redact=options.parse_patterns(ctx.options.chat_redact),
                keep_days=ctx.options.chat_keep_days,
                keep_mb=ctx.options.chat_keep_mb,
            )
            self._recorder.start(asyncio.get_running_loop())
            self._pages.show(ctx.options.chat_db, self._waiting)
            for call in self._calls.values():
                call.record_with(self._recorder)
        except exceptions.OptionsError:
            raise
        except Exception as exc:
            raise options.bad_value(
                "chat_db",
                shown_url(ctx.options.chat_db),
                f"a database that can be opened ({exc})",
            ) from exc


addons = [Diptych()]
