"""Sign-in by password and by one-time code. No answer, and no time that it takes, tells which logins there are."""

from collections.abc import Callable
from typing import Final

from auth.passwords import Hasher, HashingBusy, PasswordRefused, check_new, outdated
from auth.sign_in_codes import SIGN_IN_LENGTH, PlainCode, mint_code, parse_code
from registry.accounts import attempts
from registry.accounts.names import find_kind, is_login
from registry.errors import AccountError, TooManyRequests
from storage.metadata import sign_in as storage
from storage.metadata.database import Database, Transaction
from storage.metadata.query import Executor
from storage.metadata.sign_in import Person

CODE_SECONDS: Final = 1800.0
#: The product, which is in no password more than in part.
_PRODUCT: Final = "moorage"
_BUSY_SECONDS: Final = 5


class SignInRefused(AccountError):
    """The login, the password or the code is wrong, or the account may not sign in: one answer for all of them."""

    resource, field = "Session", "password"


class PasswordInvalid(AccountError):
    """The new password is against a rule; ``reason`` names the rule."""

    resource, field = "Password", "password"

    def __init__(self, refused: PasswordRefused) -> None:
        super().__init__(str(refused))
        self.reason: Final = refused.reason


async def by_password(db: Executor, hasher: Hasher, login: str, password: str, address: str) -> Person:
    """Return the user with this login and password. Raises SignInRefused, TooManyRequests."""
    attempt = await attempts.admit(db, "sign-in", address, login)
    person = await storage.by_login(db, login) if is_login(login) else None
    known = None if person is None else person.password_hash
    try:
        good = await hasher.verify(password, known)
        if person is None or known is None or not good:
            await storage.note_failure(db, login if is_login(login) else None, "password")
            raise SignInRefused("the login or the password is wrong")
        await attempts.forgive(db, attempt)
        if outdated(known):
            hashed = await hasher.hash(password)
            await storage.rehash(db, person.id, known, hashed)
            return Person(person.id, person.login, hashed)
    except HashingBusy as error:
        raise TooManyRequests(_BUSY_SECONDS, "attempts to sign in") from error
    return person


async def by_code(db: Executor, text: str, address: str) -> int:
    """Use up a one-time code, and return its account. Raises SignInRefused, TooManyRequests."""
    attempt = await attempts.admit(db, "code", address)
    code = parse_code(text, SIGN_IN_LENGTH)
    account_id = None if code is None else await storage.redeem_code(db, code.digest)
    if account_id is None:
        await storage.note_failure(db, None, "code")
        raise SignInRefused("this code is unknown, was used, or has expired")
    await attempts.forgive(db, attempt)
    return account_id


async def issue_code(db: Executor, login: str, new_code: Callable[[int], PlainCode] = mint_code) -> PlainCode:
    """Issue the one-time code with which a user signs in, in place of a former one. Raises AccountUnknown."""
    user, code = await find_kind(db, login, "User"), new_code(SIGN_IN_LENGTH)
    await storage.issue_code(db, user.id, code.digest, CODE_SECONDS, first=False)
    return code


async def issue_first_code(
    db: Executor, login: str, new_code: Callable[[int], PlainCode] = mint_code
) -> PlainCode | None:
    """Issue a one-time code as ``issue_code`` does; None: the user has a password. Raises AccountUnknown."""
    user, code = await find_kind(db, login, "User"), new_code(SIGN_IN_LENGTH)
    return code if await storage.issue_code(db, user.id, code.digest, CODE_SECONDS, first=True) else None


async def set_password(db: Database, hasher: Hasher, account_id: int, password: str, host: str) -> str:
    """Set a user's password, and end all of the user's sessions; return the hash. Raises PasswordInvalid.

    ``host``: the name of this registry, which is no password.
    """
    person = await storage.by_id(db, account_id)
    try:
        check_new(password, (person.login, host, _PRODUCT))
        hashed = await hasher.hash(password)
    except PasswordRefused as error:
        raise PasswordInvalid(error) from None
    except HashingBusy as error:
        raise TooManyRequests(_BUSY_SECONDS, "attempts to sign in") from error

    async def work(tx: Transaction) -> None:
        await storage.lock(tx, account_id)
        await storage.set_password(tx, account_id, hashed)

    await db.repeat(work)
    return hashed
