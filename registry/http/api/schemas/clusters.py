"""Answers about clusters."""

from typing import Annotated, TypedDict

from msgspec import Meta

from registry.http.api.schemas.values import Id, Time


class Cluster(TypedDict):
    name: str
    issuer: Annotated[str, Meta(description="The `iss` of the tokens of its service accounts.")]
    audience: Annotated[str, Meta(description="The `aud` that a token must have, alone.")]
    keys: Annotated[
        list[str] | None, Meta(description="The ids of its public keys; `null`: they are fetched from the issuer.")
    ]
    ca: Annotated[str | None, Meta(description="The authorities (PEM) of the issuer's certificate.")]
    created_at: Time
    updated_at: Time


class ClusterGrant(TypedDict):
    id: Id
    namespace: Annotated[str, Meta(description="A glob over namespaces.")]
    account: Annotated[str, Meta(description="A glob over names of service accounts.")]
    package: Annotated[str, Meta(description="A glob over the names of packages, without their owner.")]
    created_at: Time
