"""The scope grammar: what clients send, what hostile ones send (S30)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.errors import MalformedScope
from auth.scopes import SCOPES_MAX, Grant, from_access, parse, render, to_access

_component = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,2})[a-z0-9]{1,8})?", fullmatch=True)
_host = st.sampled_from(
    ["", "", "", "Alice/", "localhost:5000/", "registry.example.com:443/", "[::1]:5000/", "10.0.0.1/"]
)
_names = st.builds(lambda host, parts: host + "/".join(parts), _host, st.lists(_component, min_size=1, max_size=4))
_actions = st.frozensets(st.sampled_from(["pull", "push", "delete", "*", "admin", "x"]))
_grants = st.builds(Grant, st.sampled_from(["repository", "registry", "plugin2"]), _names, _actions)
_distinct = st.lists(_grants, max_size=SCOPES_MAX, unique_by=lambda grant: (grant.type, grant.name)).map(tuple)
_hostile = st.lists(
    st.text(max_size=60)
    | st.text(alphabet="repository:()*,/ab-._[] \n\t\0é", max_size=80)
    | st.builds("{}:{}:{}".format, st.text(max_size=9), st.text(max_size=20), st.text(max_size=9))
    | st.integers(0, 2000).map(lambda count: "repository:a/b:pull " * count)
    | st.integers(0, 2000).map(lambda count: "repository:" + "a-" * count + ":pull"),
    max_size=25,
)
_json: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "name", "actions", "x"]), inner),
)


def repository(name: str, *actions: str) -> Grant:
    return Grant("repository", name, frozenset(actions))


@given(_distinct)
def test_parse_reads_back_what_render_wrote(grants: tuple[Grant, ...]) -> None:
    assert parse([render(grants)]) == grants
    assert parse([render([grant]) for grant in grants]) == grants


@given(_distinct)
def test_grants_survive_the_access_claim(grants: tuple[Grant, ...]) -> None:
    assert from_access(to_access(grants)) == grants


@given(_hostile)
def test_s30_of_hostile_scopes_what_is_read_is_in_the_grammar(values: list[str]) -> None:
    grants = parse(values)
    assert parse([render(grants)]) == grants
    assert from_access(to_access(grants)) == grants


@given(_json)
def test_s30_hostile_access_claims_raise_only_the_declared_error(value: object) -> None:
    try:
        grants = from_access(value)
    except MalformedScope:
        pass
    else:
        assert from_access(to_access(grants)) == grants


@pytest.mark.parametrize(
    ("values", "grants"),
    [
        ([], ()),
        ([""], ()),
        (["", "  "], ()),
        (["repository:ns/img:pull,push,delete"], (repository("ns/img", "pull", "push", "delete"),)),
        (["repository:a/b:pull repository:c/d:push"], (repository("a/b", "pull"), repository("c/d", "push"))),
        (["repository:a/b:pull", "repository:c/d:push"], (repository("a/b", "pull"), repository("c/d", "push"))),
        (["repository:a/b:pull", "repository:a/b:push,pull"], (repository("a/b", "pull", "push"),)),
        (["repository(plugin):a/b:pull"], (repository("a/b", "pull"),)),
        (["repository(plugin):a/b:pull repository:a/b:push"], (repository("a/b", "pull", "push"),)),
        (["registry:catalog:*"], (Grant("registry", "catalog", frozenset("*")),)),
        (["repository:a/b:*"], (repository("a/b", "*"),)),
        (["repository:host:5000/x/y:pull"], (repository("host:5000/x/y", "pull"),)),
        (["repository:[::1]:5000/x/y:pull"], (repository("[::1]:5000/x/y", "pull"),)),
        (["repository:Alice/app:pull"], (repository("Alice/app", "pull"),)),
        (["repository:a/b:"], (repository("a/b"),)),
        (["repository:a/b:pull,,push,"], (repository("a/b", "pull", "push"),)),
        (["repository:a/b:Pull,PUSH,pull"], (repository("a/b", "pull", "push"),)),
        (['"repository:a/b:pull'], (repository("a/b", "pull"),)),
        (["repository:a/b:pull"] * 21, (repository("a/b", "pull"),)),
        (["repository:a/b:fly"], (repository("a/b", "fly"),)),
    ],
)
def test_s30_what_clients_send(values: list[str], grants: tuple[Grant, ...]) -> None:
    assert parse(values) == grants


@pytest.mark.parametrize(
    "text",
    [
        "repository",
        "repository:a/b",
        ":a/b:pull",
        ":*",
        "::",
        "repository::pull",
        "Repository:a/b:pull",
        "repository():a/b:pull",
        "repository(plugin:a/b:pull",
        "repository:a/B:pull",
        "repository:a//b:pull",
        "repository:a/../b:pull",
        "repository:/a/b:pull",
        "repository:a%2Fb:pull",
        "repository:a/b:pull\nrepository:c/d:push",
        "repository:a/b\n:pull",
        "repository:a/b:pull\n",
        "repository:a/b:pull;push",
        "repository:a/b:pull\tpush",
        "repository:a/b:p*",
        "repository:ä/b:pull",
        "repository:" + "a" * 256 + ":pull",
        "repository:a/b:" + "x" * 600,
    ],
)
def test_s30_a_malformed_scope_costs_itself(text: str) -> None:
    assert parse([text]) == ()
    assert parse(["repository:x/y:pull", text, "repository:x/z:push"]) == (
        repository("x/y", "pull"),
        repository("x/z", "push"),
    )


def test_the_access_claim_has_distributions_shape() -> None:
    assert to_access([repository("a/b", "push", "pull")]) == [
        {"type": "repository", "name": "a/b", "actions": ["pull", "push"]}
    ]


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        "repository:a/b:pull",
        [None],
        [{"type": "repository", "name": "a/b"}],
        [{"type": "repository", "name": "a/b", "actions": [1]}],
        [{"type": "repository", "name": "A/B/", "actions": []}],
        [{"type": "repository", "name": "a/b", "actions": [""]}],
    ],
)
def test_malformed_access_claims_are_refused(value: object) -> None:
    with pytest.raises(MalformedScope):
        from_access(value)
