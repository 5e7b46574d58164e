"""The providers the program can be started with: a name, and how to make its client.

A factory gets the settings and the environment (secrets are never arguments: everybody on the machine can read
those), and raises ValueError, with the name of what is missing.
"""

from collections.abc import Callable, Mapping

from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.mock_provider import MockProvider
from scenarios.voice_call.manager.provider_client import ProviderClient
from scenarios.voice_call.manager.providers.from_environment import plivo, telnyx, twilio

Factory = Callable[[Config, Mapping[str, str]], ProviderClient]


def _mock(config: Config, environment: Mapping[str, str]) -> ProviderClient:
    return MockProvider()


PROVIDERS: dict[str, Factory] = {"mock": _mock, "twilio": twilio, "telnyx": telnyx, "plivo": plivo}
