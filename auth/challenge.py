"""The text of WWW-Authenticate (RFC 9110 §11.6.1, RFC 6750 §3, RFC 7617 §2)."""

import re
from typing import Final

# Whatever a header's quoted-string cannot hold: controls (CR and LF would begin a new header) and non-ASCII.
_UNPRINTABLE: Final = re.compile(r"[^ -~]")
_ESCAPED: Final = re.compile(r'(["\\])')
# RFC 6750 §3 lets scope and error hold neither quotation marks nor backslashes, so there is nothing to escape there.
_UNQUOTABLE: Final = re.compile(r'[^ -~]|["\\]')


def challenge(
    realm: str, service: str, scope: str | None = None, error: str | None = None, description: str = ""
) -> str:
    """Render the Bearer challenge: the token endpoint (``realm``), the service and the scope.

    docker shows the ``description`` of the error to its user, and no other text of this response.
    The order of parameters is distribution's. Characters that a header cannot carry become ``?``.
    """
    parameters = [f'realm="{_quoted(realm)}"', f'service="{_quoted(service)}"']
    if scope:
        parameters.append(f'scope="{_plain(scope)}"')
    if error:
        parameters.append(f'error="{_plain(error)}"')
    if description:
        parameters.append(f'error_description="{_plain(description)}"')
    return "Bearer " + ",".join(parameters)


def basic_challenge(realm: str) -> str:
    """Render the Basic challenge of the REST API: user name and token, in UTF-8."""
    return f'Basic realm="{_quoted(realm)}", charset="UTF-8"'


def _quoted(text: str) -> str:
    return _ESCAPED.sub(r"\\\1", _UNPRINTABLE.sub("?", text))


def _plain(text: str) -> str:
    return _UNQUOTABLE.sub("?", text)
