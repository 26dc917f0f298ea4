"""The installation as site administrators see it: health, background jobs, effective settings."""

from typing import Any, Final

from aiohttp import web

from registry.http.api.call import ApiCall, answer
from registry.http.api.routes import Access, Route
from registry.http.api.schemas import site as schemas
from registry.http.health import health
from registry.shown_settings import shown
from registry.version import VERSION
from storage.metadata import job_runs
from storage.metadata.job_runs import JobRun


async def get_health(call: ApiCall) -> web.Response:
    """Tell the versions of the registry, of PostgreSQL and of the schema, and whether database and store work."""
    found = await health(call.services)
    database = found.database
    body = {
        "status": "ok" if found.good else "degraded",
        "version": VERSION,
        "leaving": found.leaving,
        "read_only": found.read_only,
        "database": {
            "version": database.version,
            "size_bytes": database.bytes,
            "read_only": database.read_only,
            "schema": database.schema,
            "expected_schema": database.expected,
            "missing_migrations": list(database.missing),
            "newer_migrations": list(database.newer),
        },
        "store": {"reachable": found.store_fault is None, "error": found.store_fault},
    }
    return answer(body)


async def list_jobs(call: ApiCall) -> web.Response:
    """List the background jobs as workers record them, every five minutes at least."""
    return answer([_job(one) for one in await job_runs.listed(call.services.db)])


def _job(one: JobRun) -> dict[str, Any]:
    return {
        "name": one.job,
        "pause_seconds": one.pause_seconds,
        "last_run_at": one.ran_at,
        "last_work_at": one.worked_at,
        "last_work_items": one.items,
        "last_failure_at": one.failed_at,
        "last_failure": one.failure,
        "late": one.late,
    }


async def get_settings(call: ApiCall) -> web.Response:
    """Get the effective settings of the process that answers, without secrets."""
    return answer({one.name: one.value for one in shown(call.services.settings)})


_ADMIN: Final = Access.SITE_ADMIN

ROUTES: Final = (
    Route("GET", "/admin/health", get_health, "Get the health of the registry", _ADMIN, answer=schemas.Health),
    Route("GET", "/admin/jobs", list_jobs, "List background jobs", _ADMIN, answer=list[schemas.Job]),
    Route(
        "GET", "/admin/settings", get_settings, "Get the effective settings", _ADMIN, answer=dict[str, schemas.Setting]
    ),
)
