"""A manager that is set to another provider: that one answers for itself, and only from the next start on."""

from typing import Any

import pytest

from scenarios.voice_call.manager.provider_client import CallStatus, ProviderRefused
from scenarios.voice_call.other_provider import configured
from scenarios.voice_call.provider import Provider


@pytest.fixture
def provider(run: Any) -> Provider:
    made = Provider()
    made.attach(run)
    return made


def test_the_first_provider_is_the_one_that_is_configured(provider: Provider) -> None:
    assert configured(provider) is provider


def test_another_provider_knows_none_of_the_calls_of_the_first(provider: Provider, play: Any) -> None:
    call = provider.ring()
    provider.configure(elsewhere=True)
    other = configured(provider)
    assert other.name != provider.name
    assert play(other.status(call)).status is CallStatus.NOT_FOUND
    assert play(other.hang_up(call, key="k")) is False
    assert play(other.find_by_key("k")) is None
    with pytest.raises(ProviderRefused, match=call):
        play(other.play(call, "hello", key="k"))
    assert provider.remote(call).alive
    assert provider.outer.effects == []


def test_requests_from_outside_are_read_as_before(provider: Provider) -> None:
    provider.configure(elsewhere=True)
    assert configured(provider).heard("f-1") == provider.heard("f-1")
