"""Providers for the program, their credentials from environment variables: names in the code, values nowhere else.

Each is made from the settings and the environment, and raises ValueError with every name that is missing, so that an
operator need not start five times.
"""

from collections.abc import Mapping

from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.provider_client import ProviderClient
from scenarios.voice_call.manager.providers.http_transport import HttpTransport, basic, bearer
from scenarios.voice_call.manager.providers.plivo import PlivoProvider
from scenarios.voice_call.manager.providers.telnyx import TelnyxProvider
from scenarios.voice_call.manager.providers.twilio import TwilioProvider
from scenarios.voice_call.manager.public_address import webhook_url

Environment = Mapping[str, str]


def variables(environment: Environment, *names: str) -> tuple[str, ...]:
    """The values of these variables. Raises ValueError with all that are missing or empty."""
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise ValueError(f"the environment lacks {', '.join(missing)}: set what the provider's console shows")
    return tuple(environment[name] for name in names)


def twilio(config: Config, environment: Environment) -> ProviderClient:
    """Twilio: TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN."""
    account, token = variables(environment, "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
    base = f"https://api.twilio.com/2010-04-01/Accounts/{account}/"
    return TwilioProvider(token, webhook_url(config), HttpTransport(base, basic(account, token), "form"))


def telnyx(config: Config, environment: Environment) -> ProviderClient:
    """Telnyx: TELNYX_API_KEY, TELNYX_PUBLIC_KEY, TELNYX_CONNECTION_ID."""
    names = ("TELNYX_API_KEY", "TELNYX_PUBLIC_KEY", "TELNYX_CONNECTION_ID")
    api_key, public_key, connection = variables(environment, *names)
    transport = HttpTransport("https://api.telnyx.com/v2/", bearer(api_key), "json")
    return TelnyxProvider(public_key, connection, webhook_url(config), transport)


def plivo(config: Config, environment: Environment) -> ProviderClient:
    """Plivo: PLIVO_AUTH_ID, PLIVO_AUTH_TOKEN."""
    account, token = variables(environment, "PLIVO_AUTH_ID", "PLIVO_AUTH_TOKEN")
    base = f"https://api.plivo.com/v1/Account/{account}/"
    return PlivoProvider(token, webhook_url(config), HttpTransport(base, basic(account, token), "json"))
