"""Sign-in by the device flow (RFC 8628): the user approves in a browser, and this machine gets a token."""

import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from registry.cli.client.context import Context, Target
from registry.cli.client.errors import DENIED, FAILED, NOT_SIGNED_IN, CommandError
from registry.cli.client.http import Connection
from registry.cli.client.output import clean

_OK: Final = 200
_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_CLIENT: Final = "moorage-cli"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_SLOWER_SECONDS: Final = 5
_SECONDS_MAX: Final = 86400


def sign_in(
    context: Context, target: Target, scopes: str, name: str | None, sleep: Callable[[float], None] = time.sleep
) -> str | None:
    """Return a token that the user approved; None if the registry has no device flow. Raises CommandError."""
    import platform

    connection = Connection(target.scheme, target.host, context.trace)
    asked = {"client_id": _CLIENT, "client_name": name or platform.node(), "scope": scopes}
    reply = connection.ask("POST", "/login/device/code", _FORM, urlencode(asked).encode())
    started = reply.json()
    if not isinstance(started, dict) or "device_code" not in started:
        if isinstance(started, dict) and "error_description" in started:
            raise CommandError(str(started["error_description"]), request=reply.request_id)
        return None
    told = f"Open {started.get('verification_uri')} and type {started.get('user_code')}"
    context.output.err.write(clean(told) + "\n")
    context.output.err.flush()
    return _wait(connection, started, sleep)


def _seconds(told: object, default: float) -> float:
    """Return a number of seconds, if what a registry told is one."""
    return float(told) if isinstance(told, int | float) and 0 <= told <= _SECONDS_MAX else default


def _wait(connection: Connection, started: dict[str, Any], sleep: Callable[[float], None]) -> str:
    interval = _seconds(started.get("interval"), _SLOWER_SECONDS)
    deadline = time.monotonic() + _seconds(started.get("expires_in"), 0)
    asked = {"grant_type": _GRANT, "device_code": started["device_code"], "client_id": _CLIENT}
    while time.monotonic() < deadline:
        sleep(interval)
        reply = connection.ask("POST", "/login/device/token", _FORM, urlencode(asked).encode())
        found = reply.json()
        told = found if isinstance(found, dict) else {}
        if reply.status == _OK and told.get("access_token"):
            return str(told["access_token"])
        match told.get("error"):
            case "authorization_pending":
                pass
            case "slow_down":
                interval += _SLOWER_SECONDS
            case "access_denied":
                raise CommandError("the sign-in was denied", status=DENIED)
            case "expired_token":
                break
            case other:
                raise CommandError(f"the sign-in failed: {other}", status=FAILED, request=reply.request_id)
    raise CommandError("the code has expired", status=NOT_SIGNED_IN, attempt=f"moorage login {connection.host}")
