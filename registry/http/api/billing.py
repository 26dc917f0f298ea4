"""Usage by API in the shapes of GitHub's billing; nothing has a price here."""

import calendar
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from registry.errors import Invalid
from registry.http.api import rights
from registry.http.api.call import ApiCall, answer
from registry.http.api.routes import Route
from registry.http.api.schemas import usage as schemas
from storage.metadata import usage_reports
from storage.metadata.usage_reports import UsedDay

_GIGABYTE: Final = 1_000_000_000
_HOURS: Final = 24


async def get_organization_storage(call: ApiCall) -> web.Response:
    """Estimate the storage of an organization for this month, in gigabytes; to its owners."""
    return answer(await _storage(call, (await rights.owner_of(call)).id))


async def get_user_storage(call: ApiCall) -> web.Response:
    """Estimate the storage of a user for this month, in gigabytes; to the user and to administrators."""
    return answer(await _storage(call, (await rights.own_user(call)).id))


async def _storage(call: ApiCall, owner_id: int) -> dict[str, Any]:
    now = datetime.fromtimestamp(call.services.now(), UTC)
    length = calendar.monthrange(now.year, now.month)[1]
    first = now.date().replace(day=1)
    end = first + timedelta(days=length)
    used, _ = await usage_reports.of_owner(call.services.db, owner_id, 0)
    days = await usage_reports.days(call.services.db, owner_id, first, end)
    left = (datetime(end.year, end.month, end.day, tzinfo=UTC) - now).total_seconds() / 3600
    byte_hours = sum(day.byte_hours for day in days) + used.used * left
    return {
        "days_left_in_billing_cycle": length - now.day,
        "estimated_paid_storage_for_month": 0,
        "estimated_storage_for_month": round(byte_hours / (length * _HOURS) / _GIGABYTE),
    }


async def get_organization_billing(call: ApiCall) -> web.Response:
    """Tell the storage of an organization by day, in gigabyte hours; to its owners."""
    found = await rights.owner_of(call)
    days = await usage_reports.days(call.services.db, found.id, *_asked(call))
    return answer({"usageItems": [_item(found.login, day) for day in days]})


def _asked(call: ApiCall) -> tuple[date, date]:
    """Return the first day that year, month and day name, and the day after the last; without a year, of this one."""
    given = {name: call.http.query.get(name) for name in ("year", "month", "day")}
    try:
        year, month, day = (None if text is None else int(text) for text in given.values())
        now = datetime.fromtimestamp(call.services.now(), UTC)
        first = date(year or now.year, month or (now.month if day else 1), day or 1)
        if day:
            return first, first + timedelta(days=1)
        if month:
            return first, first + timedelta(days=calendar.monthrange(first.year, first.month)[1])
        return first, date(first.year + 1, 1, 1)
    except (ValueError, OverflowError) as error:
        raise Invalid("year, month and day are to name a day, a month or a year.") from error


def _item(login: str, day: UsedDay) -> dict[str, Any]:
    return {
        "date": day.day.isoformat(),
        "product": "packages",
        "sku": "Packages storage",
        "quantity": day.byte_hours / _GIGABYTE,
        "unitType": "GigabyteHours",
        "pricePerUnit": 0.0,
        "grossAmount": 0.0,
        "discountAmount": 0.0,
        "netAmount": 0.0,
        "organizationName": login,
    }


ROUTES: Final = (
    Route(
        "GET",
        "/orgs/{org}/settings/billing/shared-storage",
        get_organization_storage,
        "Get the estimated storage of an organization",
        scope="read:org",
        statuses=(200, 404),
        answer=schemas.SharedStorage,
    ),
    Route(
        "GET",
        "/users/{username}/settings/billing/shared-storage",
        get_user_storage,
        "Get the estimated storage of a user",
        scope="user",
        statuses=(200, 404),
        answer=schemas.SharedStorage,
    ),
    Route(
        "GET",
        "/organizations/{org}/settings/billing/usage",
        get_organization_billing,
        "Get the usage of an organization by day",
        scope="read:org",
        query=("year", "month", "day"),
        statuses=(200, 404, 422),
        answer=schemas.BillingUsage,
    ),
)
