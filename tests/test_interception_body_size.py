"""The wrap around mitmproxy's gathering of bodies; `test_proxy_upstreams` tries what it does."""

from __future__ import annotations

import pytest

from interception import body_size


@pytest.fixture(autouse=True)
def clean():
    yield
    body_size.uninstall()


def wrapped() -> bool:
    return body_size.http_layer.HttpStream.check_body_size is body_size._check_body_size


def test_it_is_put_on_once_and_taken_off():
    own = body_size.http_layer.HttpStream.check_body_size
    body_size.install()
    body_size.install()
    assert wrapped()
    body_size.uninstall()
    assert body_size.http_layer.HttpStream.check_body_size is own


def test_a_mitmproxy_nobody_knows_is_left_as_it_is(monkeypatch, caplog):
    monkeypatch.setattr("mitmproxy.version.VERSION", "99.0")
    body_size.install()
    assert not wrapped()
    assert "99.0" in caplog.text
