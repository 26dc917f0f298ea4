"""The layout of distribution's storage, by the keys of its objects alone (its ``registry/storage/paths.go``)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from storage.names import Digest, InvalidName
from storage.objects.base import ObjectInfo, ObjectKey, ObjectStore

#: Below the root directory that distribution was configured with.
_BELOW: Final = "docker/registry/v2"
#: The bytes of a link to a sha256 and to a sha512: the digest alone.
_LINK_SIZES: Final = {"sha256": 71, "sha512": 135}


@dataclass(slots=True)
class Repository:
    """A repository as its keys show it; ``tags`` by name, with the link that tells what each points at.

    ``broken``: the revisions whose link is no digest.
    """

    name: str
    revisions: list[Digest] = field(default_factory=list)
    tags: dict[str, ObjectInfo] = field(default_factory=dict)
    broken: list[Digest] = field(default_factory=list)


def root_of(directory: str) -> str:
    """Return the root of all keys, by the root directory that distribution was configured with."""
    return "/".join(part for part in (*directory.split("/"), _BELOW) if part)


def key_of(root: str, digest: str) -> ObjectKey:
    """Return the key of a blob's bytes."""
    algorithm, _, hexadecimal = digest.partition(":")
    return ObjectKey(f"{root}/blobs/{algorithm}/{hexadecimal[:2]}/{hexadecimal}/data")


async def blobs(store: ObjectStore, root: str) -> AsyncIterator[tuple[Digest, int]]:
    """All blobs with their sizes; what lies between them and is none is passed over."""
    prefix = f"{root}/blobs/"
    async for found in store.scan(prefix):
        match found.key.removeprefix(prefix).split("/"):
            case [algorithm, _, hexadecimal, "data"]:
                digest = _digest(algorithm, hexadecimal)
                if digest is not None and found.key == key_of(root, digest):
                    yield digest, found.size
            case _:
                pass


async def repositories(store: ObjectStore, root: str) -> AsyncIterator[Repository]:
    """All repositories that have manifests, one after the other: the keys of each one's manifests stand together."""
    prefix, current = f"{root}/repositories/", None
    async for found in store.scan(prefix):
        name, inside, rest = found.key.removeprefix(prefix).partition("/_manifests/")
        if not inside:
            continue
        if current is None or current.name != name:
            if current is not None:
                yield current
            current = Repository(name)
        _add(current, rest.split("/"), found)
    if current is not None:
        yield current


def _add(repository: Repository, path: list[str], found: ObjectInfo) -> None:
    match path:
        case ["revisions", algorithm, hexadecimal, "link"]:
            digest = _digest(algorithm, hexadecimal)
            if digest is not None:
                whole = found.size == _LINK_SIZES[digest.algorithm]
                (repository.revisions if whole else repository.broken).append(digest)
        case ["tags", tag, "current", "link"]:
            repository.tags[tag] = found
        case _:
            pass


def _digest(algorithm: str, hexadecimal: str) -> Digest | None:
    try:
        return Digest.parse(f"{algorithm}:{hexadecimal}")
    except InvalidName:
        return None
