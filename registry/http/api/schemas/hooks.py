"""Answers about webhooks and their deliveries."""

from typing import Annotated, Any, NotRequired, TypedDict

from msgspec import Meta

from registry.http.api.schemas.values import Id, Time, Url

ContentType = Annotated[str, Meta(extra_json_schema={"enum": ["json", "form"]})]


class HookConfig(TypedDict):
    """The configuration of a webhook."""

    url: Annotated[str, Meta(description="Empty, where MOORAGE_SECRET_KEY has changed and the hook must be set anew.")]
    content_type: ContentType
    insecure_ssl: Annotated[str, Meta(description="0: certificates are verified, always.")]
    secret: NotRequired[Annotated[str, Meta(description="Asterisks, where there is a secret.")]]


class LastResponse(TypedDict):
    """How the last attempt of a webhook went."""

    code: int | None
    status: Annotated[str, Meta(extra_json_schema={"enum": ["unused", "active", "failing"]})]
    message: str | None


class Hook(TypedDict):
    """A webhook."""

    type: Annotated[str, Meta(extra_json_schema={"enum": ["Organization", "Repository"]})]
    id: Id
    name: Annotated[str, Meta(description="web, always.")]
    active: bool
    events: list[str]
    config: HookConfig
    updated_at: Time
    created_at: Time
    url: Url
    test_url: NotRequired[Url]
    ping_url: Url
    deliveries_url: Url
    last_response: LastResponse
    format: Annotated[str, Meta(extra_json_schema={"enum": ["github", "distribution", "cloudevents"]})]
    children: Annotated[bool, Meta(description="Images that an index names are told of too.")]
    disabled_reason: Annotated[str | None, Meta(description="Why nothing is sent though the hook is active.")]


class Delivery(TypedDict):
    """A delivery of a webhook, with its last attempt."""

    id: Id
    guid: str
    delivered_at: Annotated[Time, Meta(description="The time of the last attempt, or of the happening before one.")]
    redelivery: bool
    duration: Annotated[float, Meta(description="Seconds.")]
    status: str
    status_code: Annotated[int, Meta(description="0, if there was no answer.")]
    event: str
    action: str | None
    installation_id: None
    repository_id: Id | None
    throttled_at: None
    state: Annotated[str, Meta(extra_json_schema={"enum": ["waiting", "sending", "delivered", "failed"]})]
    attempts: int
    next_attempt_at: Time | None


class DeliveryRequest(TypedDict):
    """The request that was sent."""

    headers: dict[str, str] | None
    payload: Annotated[dict[str, Any] | None, Meta(description="None, before the first attempt.")]


class DeliveryResponse(TypedDict):
    """The answer, and the beginning of its body."""

    headers: dict[str, str] | None
    payload: str | None


class FullDelivery(Delivery):
    """A delivery of a webhook with what was sent and answered."""

    url: Annotated[str, Meta(description="Of the hook as it is now.")]
    request: DeliveryRequest
    response: DeliveryResponse
