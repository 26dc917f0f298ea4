"""Tokens of repositories: for the workflows (Actions) and the workspaces (Codespaces) that run there."""

from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web

from auth.permissions import ADMIN
from auth.tokens import TokenKind
from registry.accounts import workflow_tokens
from registry.accounts.workflow_tokens import LIFE_MAX_SECONDS, LIFE_SECONDS
from registry.http.api import rights
from registry.http.api.call import ApiCall, answer, nothing
from registry.http.api.routes import Route
from registry.http.api.schemas import accounts as schemas


class Permissions(msgspec.Struct):
    """The permissions of a workflow token; of GitHub's, only packages exist here, and others grant nothing."""

    packages: Literal["read", "write"] = "read"


class NewWorkload(msgspec.Struct, forbid_unknown_fields=True):
    permissions: Permissions = msgspec.field(default_factory=Permissions)
    ttl_seconds: Annotated[int, msgspec.Meta(ge=1, le=LIFE_MAX_SECONDS)] = LIFE_SECONDS


async def workflow_token(call: ApiCall) -> web.Response:
    """Create a token for a workflow run of the repository."""
    return await _minted(call, TokenKind.WORKFLOW)


async def workspace_token(call: ApiCall) -> web.Response:
    """Create a token for a workspace of the repository."""
    return await _minted(call, TokenKind.WORKSPACE)


async def _minted(call: ApiCall, kind: TokenKind) -> web.Response:
    new = call.body(NewWorkload)
    repository = await rights.repository(call, ADMIN)
    minted = await workflow_tokens.create(
        call.services.db,
        call.me,
        kind,
        repository.id,
        permission=new.permissions.packages,
        ttl_seconds=new.ttl_seconds,
    )
    body = {
        "token": minted.plain.reveal(),
        "expires_at": minted.stored.expires_at,
        "permissions": {"packages": new.permissions.packages},
        "repository": {"id": repository.id, "name": repository.name, "full_name": repository.full_name},
    }
    return answer(body, 201)


async def give_back(call: ApiCall) -> web.Response:
    """Revoke the calling token, as GitHub's installation tokens are revoked."""
    await workflow_tokens.revoke(call.services.db, rights.workload(call))
    return nothing()


_STATUSES: Final = (201, 400, 403, 404, 413, 422)

ROUTES: Final = (
    Route(
        "POST",
        "/repos/{owner}/{repo}/actions/token",
        workflow_token,
        "Create a token for a workflow of a repository",
        scope="repo",
        body=NewWorkload,
        statuses=_STATUSES,
        answer=schemas.WorkloadToken,
    ),
    Route(
        "POST",
        "/repos/{owner}/{repo}/codespaces/token",
        workspace_token,
        "Create a token for a workspace of a repository",
        scope="repo",
        body=NewWorkload,
        statuses=_STATUSES,
        answer=schemas.WorkloadToken,
    ),
    Route("DELETE", "/installation/token", give_back, "Revoke the workflow token that calls", statuses=(204, 403)),
)
