"""Answers about disk usage, and the limits of that."""

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from registry.http.api.schemas.values import Bytes, Count, Time


class Usage(TypedDict):
    """Disk usage."""

    stored_bytes: Annotated[Bytes, Meta(description="Each blob once.")]
    pulled_bytes: Annotated[Bytes, Meta(description="The sum of the sizes of all images.")]
    complete: Annotated[bool, Meta(description="False: some sizes are not added up yet.")]
    deleted_bytes: NotRequired[Annotated[Bytes, Meta(description="What deleted versions alone need.")]]
    unpublished_bytes: NotRequired[Annotated[Bytes, Meta(description="What no manifest names.")]]


class Quota(TypedDict):
    """The limit of what an account may store."""

    bytes: Bytes
    hard: Annotated[bool, Meta(description="Uploads above it are refused; else only warned of.")]
    warn_percent: Annotated[int, Meta(description="From here on clients are warned, and an event is recorded.")]


class Used(TypedDict):
    """The usage that quotas limit."""

    used_bytes: Annotated[
        Bytes, Meta(description="Each blob once, and all manifests; deleted ones too, until they are purged.")
    ]
    used_percent: Annotated[float | None, Meta(description="Of the quota.")]
    counted_at: Annotated[Time | None, Meta(description="The last full count; null: not all is counted yet.")]


class UsedPackage(TypedDict):
    """The bytes of a package; blobs that several packages have count in each."""

    name: str
    bytes: Bytes
    version_count: Annotated[Count, Meta(description="As far as 1,000.")]
    deleted: Annotated[bool, Meta(description="It is deleted, and can be restored.")]


class OwnerUsage(Usage, Used):
    """Disk usage of an account."""

    quota: Quota | None
    packages: Annotated[list[UsedPackage], Meta(description="The largest.")]


class OwnersUsage(Used):
    """Disk usage of one of many accounts."""

    login: str
    type: Literal["User", "Organization"]
    quota: Quota | None


class SharedStorage(TypedDict):
    """The storage of this month, as estimated now, in gigabytes."""

    days_left_in_billing_cycle: int
    estimated_paid_storage_for_month: int
    estimated_storage_for_month: int


class UsageItem(TypedDict):
    """The usage of a day."""

    date: str
    product: Literal["packages"]
    sku: Literal["Packages storage"]
    quantity: float
    unitType: Literal["GigabyteHours"]
    pricePerUnit: float
    grossAmount: float
    discountAmount: float
    netAmount: float
    organizationName: str


class BillingUsage(TypedDict):
    """The usage by day."""

    usageItems: list[UsageItem]
