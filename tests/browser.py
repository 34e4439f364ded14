"""A real browser without a window, for tests of what a person sees."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WAIT_SECONDS = 20

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)


def missing() -> str | None:
    """What a browser lacks here, and how to get it."""
    if find_spec("selenium") is None:
        return "no Selenium: pip install selenium"
    if not (CHROMIUM and DRIVER):
        return "no browser: apt-get install chromium chromium-driver"
    return None


def start(profile: Path) -> Any:
    """A Chromium that keeps what its pages log."""
    # Only where there is Selenium.
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


def until(browser: Any, holds: Callable[[], object]) -> None:
    """Waits until it holds."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, WAIT_SECONDS, poll_frequency=0.05).until(lambda _: holds())


def all_of(browser: Any, selector: str) -> list[Any]:
    """The elements of a page that a CSS selector finds."""
    return browser.find_elements("css selector", selector)
