"""Tag rules by API: of an organization, whose owners make them and whose members see them, and of the caller."""

from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web

from registry.http.api import rights
from registry.http.api.call import ApiCall, Text, answer, nothing
from registry.http.api.routes import Route
from registry.http.api.schemas import tag_rules as schemas
from registry.packages import tag_rules as rules
from storage.metadata.tag_rules import TagRule


class NewTagRule(msgspec.Struct):
    """A rule: over tags that match a glob of ``tags``, and none of ``except``, of packages that match ``package``."""

    tags: Annotated[list[Text], msgspec.Meta(min_length=1, max_length=20)]
    forbid: list[Literal["move", "delete", "create"]]
    package: Text = "*"
    excepts: Annotated[list[Text], msgspec.Meta(max_length=20)] = msgspec.field(name="except", default_factory=list)
    unless_role: Literal["admin"] | None = None
    enabled: bool = True


class TagRuleChange(msgspec.Struct):
    """A rule is enabled or disabled."""

    enabled: bool


async def _readable(call: ApiCall) -> int:
    """The account whose rules the path names, for its members. Raises 404 for others, 403."""
    return (await rights.member_of(call)).id if "org" in call.http.match_info else rights.myself(call)


async def list_rules(call: ApiCall) -> web.Response:
    """List the rules by name; there are fifty at most."""
    return answer([_rule(one) for one in await rules.listed(call.services.db, await _readable(call))])


async def get_rule(call: ApiCall) -> web.Response:
    """Return one rule."""
    return await _told(call, await _readable(call))


async def put_rule(call: ApiCall) -> web.Response:
    """Make a rule, or replace the one of this name; the rule holds at once, for the tags that there are, too."""
    new, owner_id = call.body(NewTagRule), await rights.owned_account(call)
    wanted = rules.Wanted(
        call.param("tag_rule"), new.package, new.tags, new.excepts, new.forbid, new.unless_role, new.enabled
    )
    made = await rules.put(call.services.db, owner_id, wanted)
    return await _told(call, owner_id, 201 if made else 200)


async def switch_rule(call: ApiCall) -> web.Response:
    """Enable or disable a rule."""
    change, owner_id = call.body(TagRuleChange), await rights.owned_account(call)
    await rules.switch(call.services.db, owner_id, call.param("tag_rule"), on=change.enabled)
    return await _told(call, owner_id)


async def remove_rule(call: ApiCall) -> web.Response:
    """Remove a rule."""
    await rules.remove(call.services.db, await rights.owned_account(call), call.param("tag_rule"))
    return nothing()


async def _told(call: ApiCall, owner_id: int, status: int = 200) -> web.Response:
    return answer(_rule(await rules.named(call.services.db, owner_id, call.param("tag_rule"))), status)


def _rule(found: TagRule) -> dict[str, Any]:
    return {
        "name": found.name,
        "package": found.package,
        "tags": found.tags,
        "except": found.excepts,
        "forbid": found.forbid,
        "unless_role": found.unless_role,
        "enabled": found.enabled,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }


def _routes(prefix: str, whose: str, read: str, write: str) -> tuple[Route, ...]:
    rules_path, rule = f"{prefix}/tag-rules", f"{prefix}/tag-rules/{{tag_rule}}"
    one, bad = (200, 401, 403, 404), (400, 401, 403, 404, 413, 422)
    return (
        Route("GET", rules_path, list_rules, f"List the tag rules {whose}", scope=read, statuses=one,
              answer=list[schemas.TagRule]),
        Route("GET", rule, get_rule, f"Get a tag rule {whose}", scope=read, statuses=one, answer=schemas.TagRule),
        Route("PUT", rule, put_rule, f"Create or replace a tag rule {whose}", scope=write, body=NewTagRule,
              statuses=(200, 201, *bad), answer=schemas.TagRule),
        Route("PATCH", rule, switch_rule, f"Enable or disable a tag rule {whose}", scope=write, body=TagRuleChange,
              statuses=(200, *bad), answer=schemas.TagRule),
        Route("DELETE", rule, remove_rule, f"Remove a tag rule {whose}", scope=write, statuses=(204, 401, 403, 404)),
    )  # fmt: skip


ROUTES: Final = (
    *_routes("/orgs/{org}", "for an organization", "read:org", "write:org"),
    *_routes("/user", "for the authenticated user", "user", "user"),
)
