"""Sign-in of a device without a browser (RFC 8628): a command line gets a token that a person approves on a page.

The device shows a code of eight letters, which the person types into the page whatever link was followed: who is sent
a link by somebody else sees there which machine asks, from where, and for what.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from auth.errors import UnknownTokenScope
from auth.sign_in_codes import DEVICE_LENGTH, PlainCode, mint_code, parse_code
from auth.tokens import PlainToken, TokenKind, hash_of, mint, parse_scopes
from registry.accounts import attempts
from registry.errors import AccountError
from storage.metadata import devices, tokens
from storage.metadata import web_sessions as sessions
from storage.metadata.database import AlreadyThere, Database, Transaction
from storage.metadata.devices import Device
from storage.metadata.query import Executor

LIVES_SECONDS: Final = 900
INTERVAL_SECONDS: Final = 5
TOKEN_LIFE: Final = timedelta(days=90)
#: What a device gets that asks for nothing.
SCOPES: Final = ("read:packages", "write:packages")
_CODE_BYTES: Final = 32
_HOST_MAX: Final = 100
_TRIES: Final = 5


class DeviceError(AccountError):
    """A device is told to wait, or that it gets no token; ``code`` as RFC 8628 §3.5 and RFC 6749 §5.2 name it."""

    resource, field = "Device", "device_code"

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error: Final = error


class DeviceUnknown(AccountError):
    """No device waits under the code."""

    resource, field = "Device", "user_code"


@dataclass(frozen=True, slots=True)
class Started:
    """The codes of a device that waits, for its own eyes."""

    device_code: str
    user_code: PlainCode


async def start(
    db: Executor,
    *,
    host: str,
    scopes: Sequence[str],
    address: str,
    new_code: Callable[[int], PlainCode] = mint_code,
) -> Started:
    """Have a device wait for its approval. Raises DeviceError, TooManyRequests."""
    try:
        asked = sorted(parse_scopes(scopes or SCOPES))
    except UnknownTokenScope as error:
        raise DeviceError("invalid_scope", str(error)) from error
    await attempts.admit(db, "device", address)
    named = "".join(letter for letter in host if letter.isprintable())[:_HOST_MAX].strip() or "unnamed"
    for _ in range(_TRIES):
        started = Started(secrets.token_urlsafe(_CODE_BYTES), new_code(DEVICE_LENGTH))
        try:
            await devices.start(
                db,
                _digest(started.device_code),
                started.user_code.digest,
                host=named,
                address=address,
                scopes=asked,
                lives_seconds=LIVES_SECONDS,
            )
        except AlreadyThere:
            continue
        return started
    raise DeviceError("temporarily_unavailable", "no code is free now")


async def waiting(db: Executor, user_code: str, account_id: int, address: str) -> Device:
    """Return the device that waits under the code that a person typed. Raises DeviceUnknown, TooManyRequests."""
    return await _typed(db, user_code, account_id, address, partial(devices.waiting, db))


async def decide(db: Executor, user_code: str, account_id: int, address: str, *, approved: bool) -> Device:
    """Approve or deny the device that waits under the code. Raises DeviceUnknown, TooManyRequests."""
    decided = partial(devices.decide, db, account_id=account_id, approved=approved)
    return await _typed(db, user_code, account_id, address, decided)


async def _typed(
    db: Executor, user_code: str, account_id: int, address: str, find: Callable[[bytes], Awaitable[Device | None]]
) -> Device:
    """Return the device that ``find`` finds by the code's hash; a code under which none waits counts as an attempt."""
    attempt = await attempts.admit(db, "device code", address, str(account_id))
    code = parse_code(user_code, DEVICE_LENGTH)
    found = None if code is None else await find(code.digest)
    if found is None:
        raise DeviceUnknown("no device waits with this code: it is wrong, was used, or has expired")
    await attempts.forgive(db, attempt)
    return found


async def poll(
    db: Database,
    device_code: str,
    now: datetime,
    new_token: Callable[[TokenKind], PlainToken] = mint,
) -> tuple[PlainToken, list[str]]:
    """Return the token of an approved device, once, and its scopes. Raises DeviceError."""
    found = await devices.poll(db, _digest(device_code))
    if found is None or found.expired:
        raise DeviceError("expired_token", "the codes are unknown, were used, or have expired: begin again")
    if found.early:
        raise DeviceError("slow_down", "asked too soon: wait five seconds more from now on")
    if found.approved is None:
        raise DeviceError("authorization_pending", "nobody has approved the device yet")
    account_id = found.account_id
    plain = new_token(TokenKind.CLASSIC)

    async def work(tx: Transaction) -> bool:
        if not await devices.end(tx, found.id) or not found.approved or account_id is None:
            return False
        if not await sessions.may_sign_in(tx, account_id):
            return False
        await tokens.insert(
            tx,
            account_id,
            hash_of(plain),
            last_eight=plain.last_eight,
            note=f"CLI on {found.host}",
            scopes=found.scopes,
            expires_at=now + TOKEN_LIFE,
            device=found.host,
        )
        return True

    if not await db.repeat(work):
        raise DeviceError("access_denied", "the device was denied")
    return plain, found.scopes


def _digest(device_code: str) -> bytes:
    return hashlib.sha256(device_code.encode("utf-8", "surrogatepass")).digest()
