"""Many small worlds at once: for each cell an organization, a person, a team, a repository, a package and tokens of its
own, so that whatever one request destroys, no other misses. Rows go in by COPY, thousands a second.
"""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import orjson

from auth.tokens import TokenKind, hash_of, mint
from tests.security.expected import CALLERS, Caller
from tests.support.server import basic

#: Above what the server itself will number.
_BASE: Final = 1_000_000
_LOGINS: Final = ("sid", "mia", "rita", "will", "adam", "olga", "root", "vic")
_SEATS: Final = {"mia": "member", "rita": "member", "will": "member", "adam": "member", "olga": "admin"}
_ROLES: Final = {"rita": 1, "will": 2, "adam": 3}
_RULES: Final = '[{"packages":"o*/*","actions":["read","write"]}]'  # the cells' organizations, and olga

ACCOUNTS: Final = {login: _BASE + number for number, login in enumerate(_LOGINS)}
#: Added to the id of an organization's hook it is that of its repository's.
OF_REPOSITORY: Final = 50_000_000
UPSTREAM: Final = "https://registry.example"
NEW_BLOB: Final = b"a blob that is sent"


def digest_of(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def _manifest(*layers: bytes, **annotations: str) -> bytes:
    body = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _descriptor(CONFIG, "application/vnd.oci.image.config.v1+json"),
        "layers": [_descriptor(layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers],
        "annotations": annotations,
    }
    return orjson.dumps(body)


def _descriptor(body: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(body), "size": len(body)}


CONFIG: Final = orjson.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
LAYER: Final = b"a layer"
SPARE: Final = b"a blob that no manifest needs"
TAGGED: Final = _manifest(LAYER)
OTHER: Final = _manifest(LAYER, which="other")
GONE: Final = _manifest(LAYER, which="deleted")
NEW: Final = _manifest(LAYER, which="sent")
_VERSIONS: Final = (TAGGED, OTHER, GONE)


@dataclass(slots=True)
class Cell:
    """One caller before one world. ``family``: whose package it is, see ``expected.FAMILIES``."""

    number: int
    caller: Caller
    family: str
    visibility: str
    deleted: bool = False
    foreign: bool = False  # nobody of the matrix belongs there; all of it is vic's
    mirror: bool = False  # its organization mirrors another registry, which nobody asks
    token: str | None = None
    token_id: int = 0
    spare_token_id: int = 0
    upload: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def id(self) -> int:
        """Of its organization, package, repository and team alike."""
        return _BASE + 1000 + self.number

    @property
    def org(self) -> str:
        return f"o{self.number}"

    @property
    def team(self) -> str:
        return f"crew-{self.number}"

    @property
    def tag_rule(self) -> str:
        """A rule of the organization, and of the caller."""
        return f"rule-{self.number}"

    @property
    def cluster(self) -> str:
        """A cluster of the organization, and of the caller."""
        return f"cluster-{self.number}"

    @property
    def person(self) -> str:
        """A member of the organization, with a role over everything."""
        return f"u{self.number}"

    @property
    def person_id(self) -> int:
        return self.id + 10_000_000

    @property
    def package_owner(self) -> str:
        if self.foreign and self.family != "orgs":
            return "vic"
        match self.family:
            case "users":
                return "olga"
            case "user":
                return self.caller.account or "olga"
            case _:
                return self.org

    @property
    def package(self) -> str:
        return f"app-{self.number}"

    @property
    def repo(self) -> str:
        return f"code-{self.number}"

    @property
    def name(self) -> str:
        """Of its package, on ``/v2``."""
        return f"{self.package_owner}/{self.package}"

    def version_id(self, which: str) -> int:
        return self.id * 10 + {"tagged": 0, "other": 1, "deleted": 2}[which]

    def which(self, version: str) -> dict[str, Any]:
        """The parameters of a version that is there, or was deleted, and of a plan that is made, or applied."""
        plan_id = self.id * 10 + (1 if version == "deleted" else 0)
        return {"package_version_id": self.version_id(version), "plan_id": plan_id}

    @property
    def digest(self) -> str:
        """The digest of the version that is tagged."""
        return digest_of(TAGGED)

    @property
    def other_digest(self) -> str:
        """The digest of the version that another tag has."""
        return digest_of(OTHER)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the parameters of paths of the API stand for."""
        return {
            "org": self.org,
            "username": self.person,
            "login": self.person,
            "account_id": self.person_id,
            "team_slug": self.team,
            "owner": self.package_owner,
            "repo": self.repo,
            "repository_id": self.id,
            "package_type": "container",
            "package_name": self.package,
            "package_version_id": self.version_id("tagged"),
            "token_id": self.spare_token_id,
            "policy_id": self.id,
            "plan_id": self.id * 10,
            "enterprise": "moorage",
            "tag": "latest",
            "tag_rule": self.tag_rule,
            "cluster": self.cluster,
        }

    def parameters_of(self, path: str) -> dict[str, Any]:
        """The parameters of this path: what is called the same is not the same in all."""
        hook_id = self.id if path.startswith("/orgs/") else self.id + OF_REPOSITORY
        return {**self.parameters, "hook_id": hook_id, "delivery_id": hook_id, "cluster_grant_id": hook_id}

    @property
    def headers(self) -> dict[str, str]:
        """The credentials; each cell comes from an address of its own, as failures are counted by address."""
        far = f"10.{self.number >> 16}.{self.number >> 8 & 255}.{self.number & 255}"
        credentials = {} if self.token is None else basic(self.token, f"cell-{self.number}")
        return {"X-Forwarded-For": far, **credentials}


async def build(dsn: str, cells: Sequence[Cell]) -> None:
    """Makes the worlds of ``cells`` and their tokens."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            # As pg_restore does it: these rows are whole, and fifty thousand checks of them take seconds.
            await connection.execute("SET LOCAL session_replication_role = replica")
            for table, (columns, rows) in _rows(cells).items():
                await connection.copy_records_to_table(table, columns=columns, records=rows)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


Rows = list[tuple[Any, ...]]


def _rows(cells: Iterable[Cell]) -> dict[str, tuple[list[str], Rows]]:
    found: dict[str, tuple[list[str], Rows]] = {}

    def add(table: str, **values: Any) -> None:
        found.setdefault(table, (list(values), []))[1].append(tuple(values.values()))

    for login, account_id in ACCOUNTS.items():
        add("accounts", id=account_id, kind="User", login=login, site_admin=login == "root")
    now = datetime.now(UTC)
    for body in (CONFIG, LAYER, SPARE):
        add("blobs", digest=digest_of(body), size=len(body), body=body)
    for cell in cells:
        _organization(add, cell)
        _repository(add, cell)
        _package(add, cell, now)
        if cell.family != "users":  # whose retention nobody else has
            _retention(add, cell)
        _tokens(add, cell, now)
        _hooks(add, cell)
    return found


def _organization(add: Any, cell: Cell) -> None:
    add("accounts", id=cell.id, kind="Organization", login=cell.org, site_admin=False)
    add("accounts", id=cell.person_id, kind="User", login=cell.person, site_admin=False)
    for login, role in (_SEATS if not cell.foreign else {"vic": "admin"}).items():
        add("memberships", org_id=cell.id, user_id=ACCOUNTS[login], role=role)
    add("memberships", org_id=cell.id, user_id=cell.person_id, role="member")
    never = dict.fromkeys(("namespace_pattern", "account_pattern", "package_pattern"), "^no$")
    # It forbids nothing: callers share their accounts.
    rule = {"package": "*", "tags": ["none"], "except_tags": [], "forbid": ["move"], "package_pattern": "^.*$",
            "tag_pattern": "^none$", "enabled": False}  # fmt: skip
    for owner_id in {cell.id, ACCOUNTS.get(cell.caller.account or "", cell.id)}:
        add("tag_rules", owner_id=owner_id, name=cell.tag_rule, **rule)
        own = cell.id if owner_id == cell.id else cell.id + OF_REPOSITORY
        add("clusters", id=own, owner_id=owner_id, name=cell.cluster, issuer="https://cluster.example")
        add("cluster_grants", id=own, cluster_id=own, namespace="no", account="no", package="no", **never)
    if cell.mirror:
        add("mirrors", owner_id=cell.id, url=UPSTREAM)
    add("teams", id=cell.id, org_id=cell.id, slug=cell.team, name=cell.team)
    add("team_members", team_id=cell.id, user_id=cell.person_id)


def _hooks(add: Any, cell: Cell) -> None:
    for hook_id, owner_id, repository_id in (
        (cell.id, cell.id, None),
        (cell.id + OF_REPOSITORY, None, cell.id),
    ):
        add(
            "hooks", id=hook_id, owner_id=owner_id, repository_id=repository_id, sealed=b"", content_type="json",
            format="github", events=["package"], children=False, active=True,
        )  # fmt: skip
        add("hook_deliveries", id=hook_id, hook_id=hook_id, event="ping", lane=0, state="delivered")


def _granted(cell: Cell) -> dict[int, int]:
    """Roles over the cell's package and repository."""
    granted = {} if cell.foreign else {ACCOUNTS[login]: role for login, role in _ROLES.items()}
    granted[cell.person_id] = 1
    granted.pop(ACCOUNTS.get(cell.package_owner, 0), None)  # an owner needs none
    return granted


def _repository(add: Any, cell: Cell) -> None:
    owner_id = ACCOUNTS.get(cell.package_owner, cell.id)
    add("repositories", id=cell.id, owner_id=owner_id, name=cell.repo, visibility=cell.visibility)
    for account_id, role in _granted(cell).items():
        add("repository_users", repository_id=cell.id, user_id=account_id, role=role)
    if owner_id == cell.id:
        add("repository_teams", repository_id=cell.id, team_id=cell.id, role=1)


def _package(add: Any, cell: Cell, now: datetime) -> None:
    owner_id = ACCOUNTS.get(cell.package_owner, cell.id)
    add(
        "packages",
        id=cell.id,
        owner_id=owner_id,
        name=cell.package,
        visibility=cell.visibility,
        repository_id=cell.id,
        published_at=now,
        deleted_at=now if cell.deleted else None,
    )
    for account_id, role in _granted(cell).items():
        add("package_users", package_id=cell.id, user_id=account_id, role=role)
    if owner_id == cell.id:
        add("package_teams", package_id=cell.id, team_id=cell.id, role=1)
    # The workflows of the cell's repository may write, its workspaces may read; in the organization only.
    if cell.family == "orgs" or not cell.caller.workload:
        add("package_repositories", package_id=cell.id, repository_id=cell.id, audience="actions", role=2)
        add("package_repositories", package_id=cell.id, repository_id=cell.id, audience="codespaces", role=1)
    for body in (CONFIG, LAYER, SPARE):
        add("package_blobs", package_id=cell.id, digest=digest_of(body))
    for number, body in enumerate(_VERSIONS):
        add(
            "manifests",
            package_id=cell.id,
            digest=digest_of(body),
            id=cell.id * 10 + number,
            media_type="application/vnd.oci.image.manifest.v1+json",
            size=len(body),
            body=body,
            deleted_at=now if body is GONE else None,
            deleted_tags=["gone"] if body is GONE else [],
        )
        for blob in (CONFIG, LAYER):
            add("manifest_blobs", package_id=cell.id, manifest=digest_of(body), blob=digest_of(blob))
    add("tags", package_id=cell.id, name="latest", digest=digest_of(TAGGED))
    add("tags", package_id=cell.id, name="other", digest=digest_of(OTHER))


def _retention(add: Any, cell: Cell) -> None:
    owner_id = ACCOUNTS.get(cell.package_owner, cell.id)
    guards = '{"max_versions": 1000, "max_share": 0.5, "may_empty": false}'
    body = f'{{"rules": [], "packages": ["none"], "guards": {guards}}}'
    add(
        "retention_policies",
        id=cell.id,
        owner_id=owner_id,
        name=f"policy-{cell.number}",
        body=body,
        schedule="daily",
        enabled=False,
    )
    for number, state in enumerate(("planned", "applied")):
        plan_id = cell.id * 10 + number
        add(
            "retention_plans",
            id=plan_id,
            owner_id=owner_id,
            policy_id=cell.id,
            body=body,
            state=state,
            scheduled=False,
        )


def _tokens(add: Any, cell: Cell, now: datetime) -> None:
    caller = cell.caller
    account_id = ACCOUNTS[caller.account or "olga"]
    kind = TokenKind(caller.kind)
    cell.token_id, cell.spare_token_id = cell.id * 2, cell.id * 2 + 1
    plain = mint(kind)
    if caller.account is not None:
        cell.token = plain.reveal()
        add(
            "tokens",
            id=cell.token_id,
            account_id=account_id,
            kind=caller.kind,
            hash=bytes(hash_of(plain)),
            last_eight=cell.token[-8:],
            scopes=sorted(caller.scopes) if kind is TokenKind.CLASSIC else [],
            expires_at=now - timedelta(seconds=1) if caller.name == "expired" else now + timedelta(hours=1),
            revoked_at=now if caller.name == "revoked" else None,
            repository_id=cell.id if caller.workload else None,
            ceiling=3 if caller.workload else None,
            rules=_RULES if kind is TokenKind.FINE_GRAINED else None,
        )
        add(
            "uploads",
            id=uuid.UUID(cell.upload),
            package_id=cell.id,
            account_id=account_id,
            token_id=cell.token_id,
            algorithm="sha256",
            object_key=f"cells/{cell.upload}",
            expires_at=now + timedelta(minutes=10),
        )
    spare = mint(TokenKind.CLASSIC)
    add(
        "tokens",
        id=cell.spare_token_id,
        account_id=account_id,
        kind="classic",
        hash=bytes(hash_of(spare)),
        last_eight=spare.reveal()[-8:],
        scopes=[],
        expires_at=None,
        revoked_at=None,
        repository_id=None,
        ceiling=None,
        rules=None,
    )
    if caller.org is not None or caller.site_admin or cell.foreign:
        add("token_organizations", token_id=cell.spare_token_id, org_id=cell.id)


class Cells:
    """Numbers them."""

    def __init__(self) -> None:
        self.all: list[Cell] = []

    def new(
        self,
        caller: Caller,
        family: str = "orgs",
        visibility: str = "private",
        *,
        deleted: bool = False,
        foreign: bool = False,
        mirror: bool = False,
    ) -> Cell:
        cell = Cell(len(self.all) + 1, caller, family, visibility, deleted, foreign, mirror)
        self.all.append(cell)
        return cell


def caller(name: str) -> Caller:
    return {one.name: one for one in CALLERS}[name]


def table(failures: Iterable[tuple[str, str]]) -> str:
    """What is wrong, by route."""
    by_route: dict[str, list[str]] = defaultdict(list)
    for route, wrong in failures:
        by_route[route].append(wrong)
    return "\n".join(f"{route}: {'; '.join(wrong[:12])}" for route, wrong in by_route.items())
