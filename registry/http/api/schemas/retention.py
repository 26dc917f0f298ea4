"""Answers about retention: policies, plans, and what a plan has decided."""

from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from registry.http.api.schemas.values import Count, Digest, Id, Time


class RetentionPolicy(TypedDict):
    """A policy of an owner. It deletes nothing by itself until it is enabled."""

    id: Id
    name: str
    packages: Annotated[list[str], Meta(description="Globs of the names of packages.")]
    rules: Annotated[list[dict[str, Any]], Meta(description="Each with either keep or delete.")]
    guards: dict[str, Any]
    schedule: Literal["hourly", "daily", "weekly"]
    enabled: bool
    next_at: Annotated[Time, Meta(description="When it is run next, if it is enabled.")]
    created_at: Time
    updated_at: Time


class RetentionPlan(TypedDict):
    """The effect that a policy would have, or has had."""

    id: Id
    policy_id: Id | None
    policy: Annotated[dict[str, Any], Meta(description="As it was when the plan was made.")]
    state: Literal["queued", "planned", "needs_approval", "applying", "applied", "undoing", "undone"]
    scheduled: bool
    packages: Annotated[Count, Meta(description="Packages that were looked at.")]
    guarded: Annotated[Count, Meta(description="Packages of which more would go than the guards allow.")]
    untag: Annotated[Count, Meta(description="Tags to take away, whose versions stay.")]
    delete: Annotated[Count, Meta(description="Versions to delete, with their tags.")]
    created_at: Time
    planned_at: Time | None
    applied_at: Time | None
    ended_at: Time | None


class RetentionDecision(TypedDict):
    """The decision of a plan about a tag, or a version with its tags."""

    package: Annotated[str | None, Meta(description="None: it was deleted since.")]
    version_id: Id
    digest: Digest
    tag: Annotated[str | None, Meta(description="None: it is about the version.")]
    tags: list[str]
    decision: Literal["keep", "untag", "delete"]
    because: list[dict[str, Any]]
    outcome: Annotated[
        Literal["done", "changed", "refused", "undone", "lost"] | None, Meta(description="None: nothing was done yet.")
    ]
    told: Annotated[str | None, Meta(description="Why nothing was done.")]


class RetentionExplanation(TypedDict):
    """The decisions of the last plan of a policy about a version; none: no rule deletes it."""

    plan_id: Id
    policy: str
    planned_at: Time
    state: str
    decisions: list[RetentionDecision]
