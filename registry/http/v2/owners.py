"""Advice for pushes to a name without an owner, or to an owner that is no account: the name to push to instead."""

from auth.identity import ANONYMOUS, Identity
from registry.errors import OwnerNotNamed, RegistryError
from registry.http.server.message import Request
from registry.http.urls import origin
from registry.http.v2.call import unauthorized
from registry.packages.owners import ImageUnknown, OwnerMissing, PushWithoutOwner, pushable
from registry.services import Services


async def advise(
    services: Services, http: Request, identity: Identity, error: OwnerNotNamed | OwnerMissing
) -> RegistryError:
    """Return the error to answer with, in place of ``error``; ``identity`` is the caller's.

    docker repeats NAME_INVALID five times, and ends a push at the first DENIED. Pulls are not denied: a push looks for
    blobs and manifests first, by HEAD, and shows no text of these answers.
    """
    host = origin(http, services.settings).partition("://")[2]
    if isinstance(error, OwnerMissing):
        image, pushed = error.package.image, str(error.package)
    elif identity == ANONYMOUS:
        return unauthorized(http, services, None, None)
    elif http.method in {"GET", "HEAD"}:
        return ImageUnknown(error.image, f"{host}/OWNER/{error.image}")
    else:
        image = pushed = error.image
    owners = await pushable(services.db, services.lookups, identity, image)
    command = f"docker tag {host}/{pushed} {host}/{owners[0] if owners else 'OWNER'}/{image}"
    if isinstance(error, OwnerMissing):
        return OwnerMissing(error.package, command, owners)
    return PushWithoutOwner(command, owners, f"docker login {host}" if identity.token_id is None else "")
