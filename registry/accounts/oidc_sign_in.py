"""Sign-in by an OpenID Connect provider: authorization code flow with PKCE, ``state`` and ``nonce``.

What a browser has begun is kept in a cookie of that browser, sealed; so any replica can finish it, and nobody makes
somebody else's browser finish what he began. A person is the issuer and the subject: never the e-mail, never a login.
"""

import hashlib
import hmac
import re
import secrets
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import structlog

from auth import oidc
from auth.errors import Unauthenticated
from auth.issuers import SignInProvider
from auth.oidc import Person
from registry.accounts import organizations as rules
from registry.accounts.issuer_keys import Fetch, IssuerKeys
from registry.accounts.names import LoginInvalid, checked_login
from registry.errors import AccountError, NotFound
from storage.errors import Unavailable
from storage.metadata import accounts, organizations, sign_in, teams
from storage.metadata.database import AlreadyThere, Database, Transaction

log = structlog.get_logger()

#: Sends a form with these headers; the status and document of the answer. Raises Unavailable.
Post = Callable[[str, Mapping[str, str], Mapping[str, str]], Awaitable[tuple[int, bytes]]]

FLOW_SECONDS: Final = 600
_RANDOM_BYTES: Final = 32
_CODE_MAX: Final = 4096
_GAPS: Final = re.compile(r"[^A-Za-z0-9]+")
_LOGIN_MAX: Final = 39

Why = Literal["expired", "denied", "unverified", "unknown", "login", "suspended", "taken"]
_MESSAGES: Final[Mapping[Why, str]] = {
    "expired": "this sign-in was begun too long ago, or in another browser",
    "denied": "the provider did not sign you in",
    "unverified": "what the provider sent does not hold",
    "unknown": "you have no account here, and the provider's word alone does not make one",
    "login": "the login that the provider names for you is taken, or is none",
    "suspended": "this account cannot sign in",
    "taken": "this identity belongs to another account here",
}
T = TypeVar("T", bound=msgspec.Struct)


class OidcRefused(AccountError):
    """The provider signs nobody in; ``why`` names the reason."""

    resource, field = "Session", "provider"

    def __init__(self, why: Why) -> None:
        super().__init__(_MESSAGES[why])
        self.why: Final = why


class Flow(msgspec.Struct, frozen=True):
    """A sign-in under way. ``session_id``: the session whose account is to be connected; None: sign in."""

    provider: str
    state: str
    nonce: str
    verifier: str
    next: str
    ends_at: float
    session_id: int | None = None


class Pending(msgspec.Struct, frozen=True):
    """A verified identity that the person of the session ``session_id`` may connect."""

    provider: str
    subject: str
    email: str | None
    session_id: int
    ends_at: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished flow: the provider's word about a person."""

    provider: SignInProvider
    person: Person
    flow: Flow


class Seal:
    """Signs what a browser keeps for us. ``secrets``: the first signs, each is believed."""

    def __init__(self, secret_keys: Sequence[bytes]) -> None:
        self._keys: Final = [hmac.digest(key, b"moorage oidc sign-in", "sha256") for key in secret_keys]

    def sealed(self, value: msgspec.Struct) -> str:
        """Return the value of a cookie that holds ``value``."""
        body = urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")
        return f"{body}.{self._mac(self._keys[0], type(value), body)}"

    def opened(self, text: str | None, kind: type[T]) -> T | None:
        """Return what a cookie holds; None: it was not sealed here, as this kind."""
        body, _, mac = (text or "").partition(".")
        good = [
            hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(k, kind, body).encode()) for k in self._keys
        ]
        if not any(good):
            return None
        return msgspec.json.decode(urlsafe_b64decode(body + "=="), type=kind)

    def _mac(self, key: bytes, kind: type, body: str) -> str:
        return hmac.new(key, f"{kind.__name__}.{body}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


class OidcSignIn:
    """The configured providers. ``fetch`` and ``post`` speak to them."""

    def __init__(self, providers: Sequence[SignInProvider], seal: Seal, fetch: Fetch, post: Post) -> None:
        self._providers: Final = {provider.name: provider for provider in providers}
        self._keys: Final = {provider.name: IssuerKeys(provider, fetch) for provider in providers}
        self._post: Final = post
        self.seal: Final = seal

    @property
    def providers(self) -> Sequence[SignInProvider]:
        """The providers, in the order of the configuration."""
        return tuple(self._providers.values())

    async def begin(
        self, name: str, redirect_uri: str, next_path: str, now: float, *, again: bool, session_id: int | None = None
    ) -> tuple[str, str]:
        """Begin a sign-in: return the provider's URL, and the cookie of this browser. Raises NotFound, Unavailable.

        ``again``: the person is asked to prove to be there, though the provider may know the browser.
        """
        provider = self._provider(name)
        endpoints = await self._keys[name].endpoints()
        state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
        flow = Flow(name, state, nonce, verifier, next_path, now + FLOW_SECONDS, session_id)
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(provider.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"prompt": "login"} if again else {}),
        }
        joint = "&" if "?" in endpoints.authorization else "?"
        return f"{endpoints.authorization}{joint}{urlencode(asked)}", self.seal.sealed(flow)

    async def finish(
        self, name: str, redirect_uri: str, cookie: str | None, answer: Mapping[str, str], now: float
    ) -> Finished:
        """Finish a sign-in with what the browser brings back. Raises OidcRefused, NotFound, Unavailable."""
        provider = self._provider(name)
        flow = self.seal.opened(cookie, Flow)
        state = answer.get("state", "").encode("utf-8", "replace")
        if flow is None or flow.provider != name or now >= flow.ends_at:
            raise OidcRefused("expired")
        if not hmac.compare_digest(state, flow.state.encode()):
            raise OidcRefused("expired")
        # RFC 9207: who names himself must be the one that was asked.
        if answer.get("iss", provider.issuer) != provider.issuer:
            raise OidcRefused("unverified")
        code = answer.get("code", "")
        if not 0 < len(code) <= _CODE_MAX or "error" in answer:
            raise OidcRefused("denied")
        token = await self._exchanged(provider, code, redirect_uri, flow.verifier)
        try:
            key = await self._keys[name].key(oidc.key_id(token, provider))
            person = oidc.verify_person(token, provider, key, flow.nonce, now)
        except Unauthenticated as error:
            log.warning("oidc.refused", provider=name, reason=error.reason)
            raise OidcRefused("unverified") from error
        return Finished(provider, person, flow)

    async def account_of(self, db: Database, finished: Finished) -> int:
        """Return the account of a person, made if this is a first sign-in that may make one; memberships are renewed.

        Raises OidcRefused.
        """
        provider, person = finished.provider, finished.person
        account_id = await sign_in.identify(db, person.issuer, person.subject, person.email)
        if account_id is None:
            account_id = await _made(db, provider, person)
        account = await accounts.by_id(db, account_id)
        if account is None or account.suspended_at is not None:
            raise OidcRefused("suspended")
        await _place(db, provider, person, account.login)
        return account_id

    async def connect(self, db: Database, pending: Pending, account_id: int) -> None:
        """Give an account a verified identity. Raises OidcRefused."""
        try:
            await sign_in.connect(
                db, self._provider(pending.provider).issuer, pending.subject, account_id, pending.email
            )
        except AlreadyThere as error:
            raise OidcRefused("taken") from error

    def _provider(self, name: str) -> SignInProvider:
        provider = self._providers.get(name)
        if provider is None:
            raise NotFound
        return provider

    async def _exchanged(self, provider: SignInProvider, code: str, redirect_uri: str, verifier: str) -> str:
        endpoints = await self._keys[provider.name].endpoints()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": provider.client_id,
            "code_verifier": verifier,
        }
        headers = {}
        if provider.client_secret and endpoints.basic:
            pair = f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret, safe='')}"  # RFC 6749 §2.3.1
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        elif provider.client_secret:
            form["client_secret"] = provider.client_secret
        status, document = await self._post(endpoints.token, form, headers)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unavailable(f"the provider {provider.name} answers {status}")
        if status != HTTPStatus.OK:  # the code is wrong, was used, or has expired; or the client is unknown
            log.warning("oidc.refused", provider=provider.name, reason=f"the token endpoint answers {status}")
            raise OidcRefused("denied")
        try:
            answer = msgspec.json.decode(document)
        except msgspec.DecodeError:
            raise OidcRefused("unverified") from None  # not chained: the answer has a token in it
        token = answer.get("id_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or len(token) > oidc.TOKEN_MAX:
            raise OidcRefused("unverified")
        return token


async def _made(db: Database, provider: SignInProvider, person: Person) -> int:
    domain = "" if person.email is None else person.email.rpartition("@")[2]
    by_domain = bool(domain) and any(allowed in ("*", domain) for allowed in map(str.lower, provider.domains))
    if not by_domain and not person.groups & set(provider.groups):
        raise OidcRefused("unknown")
    # Of an e-mail the first part; whoever has the login already keeps it, and has nothing to do with this person.
    login = _GAPS.sub("-", person.login.partition("@")[0]).strip("-")[:_LOGIN_MAX].strip("-")
    try:
        checked_login(login)
    except LoginInvalid as error:
        raise OidcRefused("login") from error

    async def work(tx: Transaction) -> int:
        made = await accounts.insert(tx, "User", login, email=person.email)
        await sign_in.connect(tx, person.issuer, person.subject, made.id, person.email)
        return made.id

    try:
        return await db.repeat(work)
    except AlreadyThere as error:
        # Two browsers of one person at once: the other one has made it.
        found = await sign_in.identify(db, person.issuer, person.subject, person.email)
        if found is None:
            raise OidcRefused("login") from error
        return found


async def _place(db: Database, provider: SignInProvider, person: Person, login: str) -> None:
    """Give the person the seats that the groups of now give, and take what of them the groups do not give."""
    named = {target for several in provider.organizations.values() for target in several}
    given = {
        target for group, several in provider.organizations.items() if group in person.groups for target in several
    }
    for org in sorted({_org(target) for target in named}):
        try:
            await _seat(db, org, login, named, given)
        except AccountError as error:  # no such organization, or the last owner of one
            log.warning("oidc.not_placed", provider=provider.name, organization=org, login=login, reason=str(error))


async def _seat(db: Database, org: str, login: str, named: set[str], given: set[str]) -> None:
    account = await accounts.by_login(db, org)
    if account is None or account.kind != "Organization":
        raise AccountError(f"there is no organization {org!r}")
    member = await organizations.member(db, account.id, login)
    if not any(_org(target) == org for target in given):
        if member is not None:
            await rules.remove(db, org, login)
        return
    admins, held = f"{org}:admin", None if member is None else member.role
    # An owner by hand stays one, unless groups say who the owners are.
    role = "admin" if admins in given or (held == "admin" and admins not in named) else "member"
    if held != role:
        await rules.set_role(db, org, login, role)
    for target in sorted(target for target in named if target.startswith(f"{org}/")):
        team = await teams.by_slug(db, account.id, target.partition("/")[2])
        if team is None:
            log.warning("oidc.no_team", team=target)
        elif target in given:
            await rules.add_to_team(db, account.id, team.id, login)
        else:
            await teams.remove_member(db, account.id, team.id, login)


def _org(target: str) -> str:
    return target.partition("/")[0].partition(":")[0]
