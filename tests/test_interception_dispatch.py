"""Addons hear what mitmproxy would tell them, in its order, and their faults are told alike."""

from __future__ import annotations

import asyncio
import traceback
import types

import pytest
from mitmproxy.addonmanager import AddonManager
from mitmproxy.exceptions import AddonHalt, OptionsError
from mitmproxy.hooks import UpdateHook
from mitmproxy.options import Options

from interception import dispatch

HEARD: list[str] = []


class Addon:
    """Does nothing but be named."""

    chain: list[Addon]
    """All that are told, in their order."""

    def __init__(self, name: str, within: object = None) -> None:
        self.name = name
        if within is not None:
            self.addons = within

    def __repr__(self) -> str:
        return self.name


class Plain(Addon):
    def update(self, flows):
        HEARD.append(self.name)


class Asynchronous(Addon):
    async def update(self, flows):
        HEARD.append(self.name)


class Failing(Addon):
    def update(self, flows):
        HEARD.append(self.name)
        raise ValueError("a fault of its own")


class Halting(Addon):
    def update(self, flows):
        HEARD.append(self.name)
        raise AddonHalt


class Refusing(Addon):
    def update(self, flows):
        raise OptionsError("not like this")


class NotCallable(Addon):
    update = "soon"


class WithModule(Addon):
    update = types


class WithNothing(Addon):
    update = None


class FailsWhenLookedAt(Addon):
    @property
    def update(self):
        raise ValueError("no hook for you")


class Growing(Addon):
    """Gets an addon within only while it is told."""

    def update(self, flows):
        HEARD.append(self.name)
        self.addons = [Plain("grown")]


class Adding(Addon):
    """Puts an addon behind all others while it is told."""

    def update(self, flows):
        HEARD.append(self.name)
        self.chain.append(Plain("added"))


CHAINS = {
    "nobody hears": lambda: [Addon("a"), Addon("b", [Addon("c")])],
    "some hear": lambda: [Addon("a"), Plain("b"), Asynchronous("c"), Addon("d"), Plain("e")],
    "within": lambda: [Addon("a", [Addon("b", [Plain("c")]), Asynchronous("d")]), Plain("e")],
    "in the parent first": lambda: [Plain("a", [Plain("b")]), Addon("c", [])],
    "a fault": lambda: [Plain("a", [Failing("b"), Plain("not told")]), Plain("c")],
    "a halt": lambda: [Plain("a"), Halting("b"), Plain("not told")],
    "no hook at all": lambda: [NotCallable("a"), WithModule("b"), WithNothing("c"), Plain("d")],
    "a fault in a look": lambda: [FailsWhenLookedAt("a"), Plain("b")],
    "no list": lambda: [Addon("a", within=7), Plain("b")],
    "grows": lambda: [Growing("a"), Plain("b")],
    "comes later": lambda: [Adding("a"), Addon("b")],
    "bad options": lambda: [Refusing("a"), Plain("not told")],
}


def told(trigger, chain, caplog) -> tuple[list[str], list[object], object]:
    """Who heard the event, what was logged of it, and what came out of it.

    Of a fault the steps are told that it came through.
    """
    HEARD.clear()
    caplog.clear()
    outcome = None
    try:
        asyncio.run(_run(trigger, chain))
    except OptionsError as exc:
        outcome = str(exc)
    logged = [(record.getMessage(), _steps(record)) for record in caplog.records]
    return list(HEARD), logged, outcome


async def _run(trigger, chain) -> None:
    manager = AddonManager(types.SimpleNamespace(options=Options()))
    manager.chain = chain
    for addon in chain:
        addon.chain = chain
    await trigger(manager, UpdateHook([]))


def _steps(record) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(record.exc_info and record.exc_info[2])]


@pytest.mark.parametrize("name", CHAINS)
def test_the_same_addons_hear_and_the_same_is_logged(name, caplog):
    theirs = told(AddonManager.trigger_event, CHAINS[name](), caplog)
    assert any(theirs) == (name != "nobody hears")
    assert told(dispatch.trigger_event, CHAINS[name](), caplog) == theirs
