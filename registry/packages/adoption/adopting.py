"""The adoption of a folder: scan its blobs, then take one repository after the other. To run again is to go on.

What is a package's already is not read again, so that a run that was killed, and one after the old registry became
read-only, take what is missing, and the tags that moved.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from registry.errors import AccountError, Refusal
from registry.packages.adoption import layout
from registry.packages.adoption.layout import Repository
from registry.packages.adoption.names import Naming
from registry.packages.adoption.reading import Reader, chunks
from registry.packages.adoption.report import Report
from registry.packages.adoption.taking import Taking
from registry.packages.publishing import Manifests
from storage.errors import ObjectCorrupt, ObjectNotFound
from storage.metadata import adoptions, blobs, packages
from storage.metadata.database import Database, Transaction
from storage.names import Digest, InvalidName, PackageName
from storage.objects.base import ObjectStore, whole

_T = TypeVar("_T")

_NOTED: Final = 1000
#: Blobs that are read at once.
_HASHED: Final = 8
#: Well below what the database allows a transaction to be idle.
_KEEP_SECONDS: Final = 5.0


class Sealed(Refusal):
    """The folder is sealed: its objects are the registry's, and what it holds is not taken twice."""

    def __init__(self, root: str) -> None:
        super().__init__(f"{root} is sealed already.", "What was pushed there since comes by moorage copy.")


class Nothing(Refusal):
    """No registry has written a manifest below the root."""

    def __init__(self, root: str) -> None:
        super().__init__(
            f"No manifest is below {root}/repositories/ in the store.",
            "The argument is the root directory that the other registry was configured with.",
        )


class _NoPackage(Exception):
    """The repository cannot become a package; the text says why."""


class Running(Refusal):
    """The folder is being adopted by another run."""

    def __init__(self, root: str) -> None:
        super().__init__(f"Another moorage adopt is taking {root}.", "Wait until it has ended.")


class NotBegun(Refusal):
    """No adoption of the folder is open."""

    def __init__(self, root: str) -> None:
        super().__init__(f"No adoption of {root} is open.", "moorage adopt begins one.")


@dataclass(frozen=True, slots=True)
class Adoption:
    """The adoption of the folder ``root``; ``owner_of``: the id of the account of this login, None if there is none.

    It may raise AccountError. ``dry``: nothing is written but what the scan finds. ``verify``: every blob is read, and
    those with another digest are ``wrong``.
    """

    db: Database
    store: ObjectStore
    manifests: Manifests
    root: str
    naming: Naming
    owner_of: Callable[[str], Awaitable[int | None]]
    grace_seconds: float
    dry: bool = False
    verify: bool = False
    wrong: set[str] = field(default_factory=set)
    report: Report = field(default_factory=Report)

    async def run(self) -> Report:
        """Take all that is not here yet. Raises Nothing, Running, Sealed, Unavailable."""
        if await anext(layout.repositories(self.store, self.root), None) is None:
            raise Nothing(self.root)
        async with _alone(self.db, self.root):
            await self._run()
        return self.report

    async def _run(self) -> None:
        if not self.dry and not await adoptions.begin(self.db, self.root):
            raise Sealed(self.root)
        await adoptions.forget(self.db, self.root)
        async for batch in _batches(layout.blobs(self.store, self.root), _NOTED):
            await adoptions.note(self.db, self.root, dict(batch))
            self.report.blobs += len(batch)
            self.report.bytes += sum(size for _, size in batch)
            if self.verify:
                for together in chunks(batch, _HASHED):
                    await asyncio.gather(*(self._verify(digest, size) for digest, size in together))
        taken: dict[PackageName, str] = {}
        async for repository in layout.repositories(self.store, self.root):
            self.report.repositories += 1
            await self._take(repository, taken)

    async def _verify(self, digest: Digest, size: int) -> None:
        """Read a blob; one that is wrong, and adopted already, is put under suspicion."""
        key, there = layout.key_of(self.root, digest), hashlib.new(digest.algorithm)
        try:
            async with whole(self.store, key, size) as reader:
                async for piece in reader:
                    there.update(piece)
        except (ObjectNotFound, ObjectCorrupt):
            there = hashlib.new(digest.algorithm)  # it has changed since it was listed
        if there.hexdigest() == digest.hex:
            self.report.verified += 1
            return
        self.wrong.add(digest)
        self.report.find("", digest, "its bytes have another digest")
        if not self.dry:
            await blobs.suspect(self.db, digest, key)

    async def _take(self, repository: Repository, taken: dict[PackageName, str]) -> None:
        """Take a repository; ``taken``: the repository that became a package, by the package's name."""
        for digest in repository.broken:
            self.report.find(repository.name, digest, "its link is broken")
        try:
            name = self._name(repository, taken)
            package_id = await self._package(name)
        except (InvalidName, AccountError, _NoPackage) as error:
            self.report.find(repository.name, "", str(error))
            return
        reader = Reader(self.db, self.store, self.root, partial(self.report.find, repository.name), self.wrong)
        taking = Taking(
            reader, self.manifests, repository, name, package_id, self.report, grace_seconds=self.grace_seconds
        )
        await taking.run()

    def _name(self, repository: Repository, taken: dict[PackageName, str]) -> PackageName:
        """Return the name of the package. Raises InvalidName, _NoPackage."""
        name = self.naming.name_of(repository.name)
        first = taken.setdefault(name, repository.name)
        if first != repository.name:
            raise _NoPackage(f"{first} became {name} already: --map one of the two")
        return name

    async def _package(self, name: PackageName) -> int | None:
        """Return the id of a package, which is made if need be; None: dry. Raises AccountError, _NoPackage."""
        owner_id = await self.owner_of(name.owner)
        if owner_id is None:
            raise _NoPackage(f"no account {name.owner} is here")
        if self.dry:
            return None
        package_id = await packages.ensure(self.db, owner_id, name.image, owner_id, None)
        if package_id is None:
            raise _NoPackage(f"the name {name} is retired")
        return package_id


@asynccontextmanager
async def _alone(db: Database, root: str) -> AsyncIterator[None]:
    """Keep other runs of the same folder out while the block runs. Raises Running, Unavailable."""

    async def keep(tx: Transaction) -> None:
        while True:
            await asyncio.sleep(_KEEP_SECONDS)
            await adoptions.lock(tx, root)

    try:
        async with db.transaction() as tx:
            if not await adoptions.lock(tx, root):
                raise Running(root)
            async with asyncio.TaskGroup() as group:
                kept = group.create_task(keep(tx))
                yield
                kept.cancel()
    except ExceptionGroup as failed:  # the block, or the connection that holds the lock
        raise failed.exceptions[0] from None


async def seal(db: Database, root: str) -> None:
    """End the hold of a folder: from now on its objects go when nothing needs them. Raises NotBegun."""

    async def work(tx: Transaction) -> bool:
        return await adoptions.seal(tx, root)

    if not await db.repeat(work):
        raise NotBegun(root)


async def _batches(items: AsyncIterator[_T], size: int) -> AsyncIterator[list[_T]]:
    batch: list[_T] = []
    async for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
