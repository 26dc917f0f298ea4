"""decide(): who may do what, as tables."""

import pytest
from msgspec.structs import replace

from auth.identity import ANONYMOUS, Action, Identity
from auth.permissions import Allowed, Challenged, Decision, Denied, Hidden, decide, grantable
from auth.scopes import Grant
from storage.metadata.access_facts import AccessFacts
from storage.names import PackageName
from tests.support.access_facts import BASE, access_facts

PACKAGE = PackageName.parse("acme/app")
ALL = ("read:packages", "write:packages", "delete:packages")
ME = Identity(7, 1)
NOBODY = replace(BASE, account_id=None, token_kind=None, scopes=None)


def told(decision: Decision) -> str:
    match decision:
        case Allowed():
            return "ok"
        case Challenged():
            return "401"
        case Hidden():
            return "404"
        case Denied():
            return "403"


def row(facts: AccessFacts, identity: Identity = ME) -> str:
    return " ".join(told(decide(identity, action, PACKAGE, facts)) for action in Action)


@pytest.mark.parametrize(
    ("role", "visibility", "expected"),
    [
        #                 pull push delete restore admin
        (0, "private", "404 403 404 404 404"),
        (1, "private", "ok 403 403 403 403"),
        (2, "private", "ok ok 403 403 403"),
        (3, "private", "ok ok ok ok ok"),
        (0, "internal", "404 403 404 404 404"),
        (1, "internal", "ok 403 403 403 403"),
        (0, "public", "ok 403 403 403 403"),
        (2, "public", "ok ok 403 403 403"),
        (3, "public", "ok ok ok ok ok"),
    ],
)
def test_roles(role: int, visibility: str, expected: str) -> None:
    assert row(access_facts(role=role, visibility=visibility)) == expected


@pytest.mark.parametrize(
    ("namespace_role", "expected"),
    [(0, "404 403 404 404 404"), (2, "404 ok 404 404 404"), (3, "404 ok 404 404 404")],
)
def test_a_package_that_is_not_there(namespace_role: int, expected: str) -> None:
    missing = access_facts(package_id=None, visibility=None, namespace_role=namespace_role)
    assert row(missing) == expected
    if not namespace_role:
        # Hidden and missing are one answer, down to its words.
        for action in Action:
            assert decide(ME, action, PACKAGE, missing) == decide(ME, action, PACKAGE, access_facts())


@pytest.mark.parametrize(
    ("visibility", "expected"),
    [
        ("private", "401 401 401 401 401"),
        ("internal", "401 401 401 401 401"),
        ("public", "ok 401 401 401 401"),
        (None, "401 401 401 401 401"),
    ],
)
def test_nobody(visibility: str | None, expected: str) -> None:
    facts = replace(NOBODY, visibility=visibility, package_id=None if visibility is None else 5)
    assert row(facts, ANONYMOUS) == expected
    assert decide(ANONYMOUS, Action.PUSH, PACKAGE, facts) == Challenged(None)
    bearer = Identity(grants=())
    assert decide(bearer, Action.PUSH, PACKAGE, facts) == Challenged("insufficient_scope")


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ((), "404 403 404 404 404"),
        (("read:packages",), "ok 403 403 403 403"),
        (("write:packages",), "ok ok 403 ok ok"),
        (("delete:packages",), "404 403 ok 404 404"),
        (("read:packages", "delete:packages"), "ok 403 ok 403 403"),
        (ALL, "ok ok ok ok ok"),
        (("repo", "user", "admin:org", "site_admin"), "404 403 404 404 404"),
    ],
)
def test_s31_an_admin_with_a_classic_token(scopes: tuple[str, ...], expected: str) -> None:
    assert row(access_facts(role=3, scopes=list(scopes))) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("[]", "404 403 404 404 404"),
        ('[{"packages":"acme/app","actions":["read"]}]', "ok 403 403 403 403"),
        ('[{"packages":"acme/*","actions":["write"]}]', "ok ok 403 ok ok"),
        ('[{"packages":"*","actions":["delete"]}]', "403 403 ok 403 403"),
        ('[{"packages":"acme/ap?","actions":["read","write","delete"]}]', "ok ok ok ok ok"),
        ('[{"packages":"acme/ap","actions":["read"]}]', "404 403 404 404 404"),
        ('[{"packages":"acme/app/*","actions":["read"]}]', "404 403 404 404 404"),
        ('[{"packages":"acme/x","actions":["write"]},{"packages":"*/app","actions":["read"]}]', "ok 403 403 403 403"),
    ],
)
def test_an_admin_with_a_fine_grained_token(rules: str, expected: str) -> None:
    assert row(access_facts(role=3, token_kind="fine_grained", scopes=[], rules=rules)) == expected


@pytest.mark.parametrize("kind", ["workflow", "workspace"])
@pytest.mark.parametrize(
    ("role", "ceiling", "expected"),
    [
        (0, 3, "404 403 404 404 404"),
        (1, 3, "ok 403 403 403 403"),
        (2, 3, "ok ok 403 403 403"),
        (3, 3, "ok ok ok ok ok"),
        (3, 2, "ok ok 403 403 403"),
        (3, 1, "ok 403 403 403 403"),
    ],
)
def test_a_token_of_a_repository(kind: str, role: int, ceiling: int, expected: str) -> None:
    facts = access_facts(role=role, token_kind=kind, scopes=[], token_repository_id=9, ceiling=ceiling)
    assert row(facts) == expected


@pytest.mark.parametrize("kind", ["classic", "fine_grained", "workflow", "workspace"])
@pytest.mark.parametrize("visibility", ["private", "internal", "public"])
def test_a_token_that_is_none_any_more(kind: str, visibility: str) -> None:
    facts = access_facts(role=3, visibility=visibility, token_kind=kind, token_usable=False)
    for action in Action:
        assert decide(ME, action, PACKAGE, facts) == Challenged("invalid_token")


def test_sso_stands_before_everything_but_what_is_public() -> None:
    assert row(access_facts(role=3, sso_missing=True)) == "403 403 403 403 403"
    assert row(access_facts(role=3, sso_missing=True, visibility="public")) == "ok 403 403 403 403"
    assert row(access_facts(role=0, sso_missing=True)) == "404 403 404 404 404"
    assert row(access_facts(role=1, sso_missing=True, rules="[]", token_kind="fine_grained")) == "403 403 403 403 403"


def test_a_bearer_token_narrows_and_never_widens() -> None:
    pull = Identity(7, 1, (Grant("repository", "acme/app", frozenset({"pull"})),))
    everything = Identity(7, 1, (Grant("repository", "acme/app", frozenset({"*"})),))
    other = Identity(
        7, 1, (Grant("repository", "acme/ap", frozenset({"pull"})), Grant("x", "acme/app", frozenset("*")))
    )
    assert row(access_facts(role=3), pull) == "ok 401 401 401 401"
    assert row(access_facts(role=3), everything) == "ok ok ok ok ok"
    assert row(access_facts(role=3), other) == "401 401 401 401 401"
    assert row(access_facts(role=1), everything) == "ok 403 403 403 403"
    assert decide(pull, Action.PUSH, PACKAGE, access_facts(role=3)) == Challenged("insufficient_scope")


WORDS = [
    (access_facts(role=1), Action.PUSH, "permission_denied: write_package"),
    (access_facts(role=2), Action.DELETE, "permission_denied: admin_package"),
    (
        access_facts(role=0, token_kind="workflow", token_repository_id=9, ceiling=3),
        Action.PUSH,
        "permission_denied: write_package",
    ),
    (
        access_facts(
            package_id=None, visibility=None, namespace_role=2, token_kind="workflow", token_repository_id=9, ceiling=1
        ),
        Action.PUSH,
        "installation not allowed to Create organization package",
    ),
    (
        access_facts(role=3, token_kind="workflow", token_repository_id=9, ceiling=1),
        Action.PUSH,
        "installation not allowed to Write organization package",
    ),
    (
        access_facts(role=3, owner_kind="User", token_kind="workspace", token_repository_id=9, ceiling=1),
        Action.PUSH,
        "installation not allowed to Write user package",
    ),
    (
        access_facts(role=3, scopes=["read:packages"]),
        Action.PUSH,
        "permission_denied: The token provided does not match expected scopes.",
    ),
    (
        access_facts(role=3, token_kind="fine_grained", scopes=[], rules='[{"packages":"*","actions":["read"]}]'),
        Action.DELETE,
        "permission_denied: The token provided does not match expected scopes.",
    ),
    (access_facts(role=3, sso_missing=True), Action.PULL, "permission_denied: resource protected by organization SSO"),
]


@pytest.mark.parametrize(("facts", "action", "words"), WORDS)
def test_denials_have_ghcrs_words_and_say_what_to_do(facts: AccessFacts, action: Action, words: str) -> None:
    denied = decide(ME, action, PACKAGE, facts)
    assert isinstance(denied, Denied)
    assert denied.words == words
    assert denied.missing
    assert denied.have
    assert denied.fix.endswith(".")


def test_sso_says_where() -> None:
    denied = decide(ME, Action.PULL, PACKAGE, access_facts(role=3, sso_missing=True))
    assert isinstance(denied, Denied)
    assert "PUT /api/v3/user/tokens/7/organizations/acme," in denied.fix


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (access_facts(role=0), set()),
        (access_facts(role=0, visibility="public"), {Action.PULL}),
        (access_facts(role=2), {Action.PULL, Action.PUSH}),
        (access_facts(role=3, scopes=["read:packages"]), {Action.PULL}),
        (access_facts(package_id=None, visibility=None, namespace_role=3), set(Action)),
        (access_facts(package_id=None, visibility=None, namespace_role=0), set()),
        (access_facts(role=3, token_usable=False), set()),
    ],
)
def test_s30_a_bearer_token_is_issued_for_no_more_than_may_be(facts: AccessFacts, expected: set[Action]) -> None:
    assert grantable(ME, PACKAGE, facts) == expected
