"""Which requests are for the pages."""

from __future__ import annotations

import pytest
from mitmproxy.test.tflow import tflow
from mitmproxy.test.tutils import treq

from interception.pages import is_for_pages


@pytest.mark.parametrize("host", ["diptych.internal", "Diptych.Internal", "diptych.internal."])
def test_the_pages_name_in_any_spelling_is_theirs(host):
    assert is_for_pages(tflow(req=treq(host=host)))


@pytest.mark.parametrize("host", ["diptych.internal.example", "internal", "mydiptych.internal"])
def test_other_names_are_for_somebody_else(host):
    assert not is_for_pages(tflow(req=treq(host=host)))
