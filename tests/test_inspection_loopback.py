"""Which addresses are this machine's own."""

from __future__ import annotations

import pytest

from inspection.loopback import is_loopback


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::1%lo", "::ffff:127.0.0.1"])
def test_this_machine_has_several_addresses(address):
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["192.168.1.2", "::ffff:192.0.2.7", "0.0.0.0", "localhost", ""])
def test_other_addresses_and_names_are_not_its_own(address):
    assert not is_loopback(address)
