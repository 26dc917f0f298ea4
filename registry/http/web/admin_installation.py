"""The installation for site administrators: storage, background jobs, health, effective settings."""

from typing import Final

from aiohttp import web

from registry.http.health import health
from registry.http.web.administration import PLACE, page
from registry.http.web.call import PageCall
from registry.http.web.routes import Route
from registry.shown_settings import shown
from storage.metadata import administration, job_runs


async def storage(call: PageCall) -> web.Response:
    """Show how much there is of everything, and what waits to be deleted."""
    counts = await administration.counts(call.services.db)
    return page(call, "admin_storage.html", call.say("Storage"), api="/enterprise/stats/all", counts=counts)


async def jobs(call: PageCall) -> web.Response:
    """Show when each background job ran, worked and failed."""
    found = await job_runs.listed(call.services.db)
    return page(call, "admin_jobs.html", call.say("Jobs"), api="/admin/jobs", jobs=found)


async def state(call: PageCall) -> web.Response:
    """Show whether database and store work, and their versions."""
    return page(call, "admin_health.html", call.say("Health"), api="/admin/health", health=await health(call.services))


async def settings(call: PageCall) -> web.Response:
    """Show the effective settings, without secrets."""
    found = shown(call.services.settings)
    return page(call, "admin_settings.html", call.say("Effective settings"), api="/admin/settings", settings=found)


ROUTES: Final = (
    Route("GET", f"{PLACE}/storage", storage),
    Route("GET", f"{PLACE}/jobs", jobs),
    Route("GET", f"{PLACE}/health", state),
    Route("GET", f"{PLACE}/settings", settings),
)
