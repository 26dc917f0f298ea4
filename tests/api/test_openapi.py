"""The OpenAPI document is whole and valid, and the server answers as it says."""

import asyncio
from collections.abc import Mapping
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from registry.http.api.app import PREFIX, ROUTES
from registry.http.api.openapi import document
from registry.http.api.openapi_v2 import ENDPOINTS
from registry.oci.request import Kind
from tests.support.document import check
from tests.support.server import Registry

_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
_EXAMPLES = 6


def test_the_document_is_valid_and_has_every_route() -> None:
    made = document(ROUTES)
    validate(made)
    operations = {(method.upper(), path) for path, methods in made["paths"].items() for method in methods}
    assert {(route.method, PREFIX + route.path) for route in ROUTES} <= operations
    assert {endpoint.kind for endpoint in ENDPOINTS} == set(Kind)
    ids = [operation["operationId"] for methods in made["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def _is_named(schema: Mapping[str, Any]) -> bool:
    """Whether a schema is one of the components, a list or a map of such, or one of several."""
    if "anyOf" in schema:
        return all(_is_named(one) for one in schema["anyOf"])
    return "$ref" in schema or "$ref" in schema.get("items", {})


def test_every_body_has_a_schema_with_a_name() -> None:
    made = document(ROUTES)
    unnamed = [
        f"{method} {path} {status}"
        for path, methods in made["paths"].items()
        for method, operation in methods.items()
        for status, response in [("body", operation.get("requestBody", {})), *operation["responses"].items()]
        for kind, content in response.get("content", {}).items()
        if kind not in {"image/svg+xml", "application/x-www-form-urlencoded"} and not _is_named(content["schema"])
    ]
    assert unnamed == ["get /api/v3/admin/settings 200"], "a map: of the names of settings"


def test_every_operation_that_answers_well_tells_with_what() -> None:
    silent = [
        f"{method} {path} {status}"
        for path, methods in document(ROUTES)["paths"].items()
        for method, operation in methods.items()
        for status, response in operation["responses"].items()
        if path.startswith(PREFIX) and status in {"200", "201", "202"} and "content" not in response
    ]
    assert not silent


def test_every_field_has_a_type() -> None:
    untyped = [
        f"{name}.{field}"
        for name, schema in document(ROUTES)["components"]["schemas"].items()
        for field, told in schema.get("properties", {}).items()
        if not {"type", "$ref", "anyOf", "const", "enum"} & told.keys()
    ]
    assert untyped == []


def test_every_parameter_of_a_query_is_described() -> None:
    silent = {
        f"{operation['operationId']} {one['name']}"
        for methods in document(ROUTES)["paths"].values()
        for operation in methods.values()
        for one in operation.get("parameters", [])
        if one["in"] == "query" and not {"description", "enum"} & one["schema"].keys()
    }
    assert not silent


def test_types_of_one_name_are_one_type() -> None:
    names = document(ROUTES)["components"]["schemas"]
    assert [name for name in names if "." in name or "_" in name] == [], "the document names them by their class"


def test_what_is_not_in_the_document_is_found() -> None:
    json = {"Content-Type": "application/json; charset=utf-8"}
    check("GET", "/api/v3/user/tokens?page=1", 200, json, b"[]")
    usage = b'{"stored_bytes":1,"pulled_bytes":1,"complete":true%b}'
    check("GET", "/api/v3/user/packages/container/app/usage", 200, json, usage % b"")
    for status, headers, body in (
        (200, json, usage % b',"more":1'),
        (200, json, usage.replace(b"1", b'"1"') % b""),
        (200, json, b"{}"),
        (200, {"Content-Type": "text/html"}, b"<p>"),
        (418, json, b"{}"),
    ):
        with pytest.raises(AssertionError, match="document"):
            check("GET", "/api/v3/user/packages/container/app/usage", status, headers, body)


def test_routes_that_read_a_body_take_one() -> None:
    assert not [(route.method, route.path) for route in ROUTES if route.body is not None and route.method == "GET"]


async def test_it_is_served_to_anybody(registry: Registry) -> None:
    served = await registry.call("GET", "/api/v3/openapi.json")
    assert served.status == 200
    assert served.headers["Content-Type"] == "application/json"
    assert served.json == document(ROUTES)


async def _names(registry: Registry, admin: str) -> dict[str, Any]:
    """Things that are there, by the parameters that name them."""
    bob = await registry.user("bob")
    made = await registry.call("POST", "/api/v3/admin/organizations", admin, json={"login": "acme", "admin": "admin"})
    assert made.status == 201
    assert (await registry.call("PUT", "/api/v3/orgs/acme/memberships/bob", admin, json={})).status == 200
    assert (await registry.call("POST", "/api/v3/orgs/acme/teams", admin, json={"name": "crew"})).status == 201
    assert (await registry.call("POST", "/api/v3/orgs/acme/repos", admin, json={"name": "code"})).status == 201
    digest = await registry.push_image("acme/app", "latest", admin)
    await registry.push_image("bob/app", "latest", bob)
    path = "/api/v3/orgs/acme/packages/container/app/versions"
    versions: Any = (await registry.call("GET", path, admin)).json
    return {
        "org": "acme",
        "username": "bob",
        "login": "bob",
        "owner": "acme",
        "repo": "code",
        "team_slug": "crew",
        "package_type": "container",
        "package_name": "app",
        "package_version_id": versions[0]["id"],
        "image": "app",
        "digest": digest,
        "reference": "latest",
    }


@pytest.mark.timeout(240)
async def test_answers_are_as_the_document_says(registry: Registry) -> None:
    await registry.user("nobody-much", [])
    for _ in range(9):  # ids that are drawn are small: these may be revoked
        await registry.token("nobody-much", [])
    admin = await registry.admin()
    names = await _names(registry, admin)
    await asyncio.to_thread(_explore, registry.url, admin, names)


def _explore(url: str, token: str, names: Mapping[str, Any]) -> None:
    schema = schemathesis.openapi.from_dict(document(ROUTES))
    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
    operations.sort(key=lambda operation: (operation.method.upper() == "DELETE", operation.path))
    wrong: list[str] = []
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        for operation in operations:
            try:
                _one(operation, url, session, names)
            except Exception as error:  # noqa: BLE001 - all that is wrong is told at once
                wrong.append(f"{operation.method.upper()} {operation.path}: {_told(error)}")
        alive = session.get(f"{url}/api/v3/user", timeout=10)
    assert not wrong, f"{len(wrong)} operations\n" + "\n".join(wrong)
    assert alive.status_code == 200


def _told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return " | ".join(_told(one) for one in error.exceptions)
    return str(error).replace("\n", " ")[:700]


def _one(operation: Any, url: str, session: requests.Session, names: Mapping[str, Any]) -> None:
    @hypothesis.seed(20_261_123)
    @hypothesis.settings(
        max_examples=_EXAMPLES,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(), st.booleans())
    def explore(case: Any, there: bool) -> None:
        if there and case.path_parameters:
            known = {name: names[name] for name in case.path_parameters if name in names}
            case.path_parameters = {**case.path_parameters, **known}
        case.call_and_validate(base_url=url, session=session, checks=_CHECKS, timeout=30)

    explore()
