"""The pages of a running proxy, as a browser or a program asks for them."""

from __future__ import annotations

import re
import ssl
import time

import httpx

from tests.proxy import START_SECONDS, Proxy

PAGES = "http://diptych.internal"
"""Where they are for whoever goes through the proxy."""


def printed(proxy: Proxy) -> list[str]:
    """The addresses that the proxy printed, tokens and all, once they are there."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        addresses = re.findall(r"http://\S+/\?token=\S+", proxy.log)
        if len(addresses) > 1:
            return addresses
        time.sleep(0.02)
    raise AssertionError(f"no addresses were printed:\n{proxy.log}")


def token(proxy: Proxy) -> str:
    """The token of the proxy's pages."""
    return printed(proxy)[-1].rpartition("=")[2]


def looking(
    proxy: Proxy, *, through: bool = True, verify: ssl.SSLContext | bool = True, **options
) -> httpx.Client:
    """A client with the token, through the proxy or past it."""
    return httpx.Client(
        proxy=proxy.url if through else None,
        headers={"authorization": f"Bearer {token(proxy)}"},
        trust_env=False,
        timeout=20,
        verify=verify,
        **options,
    )
