"""The rules of packages: create, delete, restore within the window, change visibility, link to a repository."""

from dataclasses import dataclass
from typing import Final

from auth.permissions import ADMIN, WRITE
from registry.errors import Conflict, Denied, Invalid, NameUnknown, NotAllowed, NotFound, shown
from registry.packages import conditions
from registry.packages.conditions import Check, DeletionCheck
from registry.packages.deletion_rules import LifetimeSettings
from registry.packages.deletions import (
    NameInUse,
    PackageDeletion,
    PackageRestore,
    plan_package,
    preview_package_restore,
)
from registry.packages.kept_tags import TagProtected, told
from storage.metadata import access, links, packages, purges, transfers
from storage.metadata.access_facts import AccessFacts
from storage.metadata.database import AlreadyThere, Database, Transaction
from storage.metadata.events import Actor
from storage.metadata.packages import Held
from storage.metadata.purges import DeletedPackage
from storage.metadata.query import Executor
from storage.names import InvalidName, PackageName

VISIBILITIES: Final = ("public", "private", "internal")


class NotDeleted(Conflict):
    """No deleted package with this name waits for its purge."""

    def __init__(self, name: PackageName) -> None:
        super().__init__(f"No deleted package {name} waits for its purge.", "Delete it first; or it is purged already.")


@dataclass(frozen=True, slots=True)
class Packages:
    """The rules of packages; the callers check access before."""

    db: Database
    settings: LifetimeSettings

    async def ensure(self, name: PackageName, standing: AccessFacts, token_id: int | None) -> int:
        """Return the id of a package that the caller may push to, created if missing. Raises NameUnknown, Denied."""
        if standing.package_id is not None:
            return standing.package_id
        if standing.owner_id is None or standing.account_id is None:
            raise NameUnknown(name)
        made = await packages.ensure(self.db, standing.owner_id, name.image, standing.account_id, token_id)
        if made is None:
            words = f"The name {name} is retired: another account had a popular public package under it."
            raise Denied("a name that is free", (), "Use another name.", words)
        return made

    async def delete(self, package_id: int, actor: Actor, check: DeletionCheck | None = None) -> None:
        """Hide a package with its versions until restored or purged. Raises NotFound, PopularPackage, TagProtected."""

        async def work(tx: Transaction) -> None:
            await conditions.held(tx, package_id)
            decided = await self.plan(tx, package_id)
            if check is not None:
                await check(tx, decided.etag)
            if decided.refused is not None and not isinstance(decided.refused, TagProtected):
                raise decided.refused
            await packages.hide(tx, package_id, actor)

        with told():
            await self.db.repeat(work, package_id)

    async def plan(self, db: Executor, package_id: int) -> PackageDeletion:
        """Show what the deletion of a package takes along, and whether it is refused. Raises NotFound."""
        return await plan_package(db, package_id, self.settings)

    async def deleted(self, name: PackageName) -> list[DeletedPackage]:
        """List the deleted packages of this name whose restore window is not over. Raises NotDeleted."""
        found = await purges.deleted(self.db, name.owner, name.image)
        if not found:
            raise NotDeleted(name)
        return found

    async def purge(self, package_id: int) -> None:
        """End the restore window of a deleted package now; the jobs take it from there. Raises NotFound."""
        if not await purges.end_window(self.db, package_id):
            raise NotFound

    async def preview_restore(self, package_id: int) -> PackageRestore:
        """Show what the restore of a deleted package brings back, and whether it is refused. Raises NotFound."""
        return await preview_package_restore(self.db, package_id, self.settings)

    async def restore(self, package_id: int, actor: Actor) -> None:
        """Restore a deleted package unchanged, under its id. Raises NotFound, Conflict."""

        async def work(tx: Transaction) -> None:
            if not await packages.unhide(tx, package_id, self.settings.restore_seconds, actor):
                raise NotFound

        try:
            await self.db.repeat(work, package_id)
        except AlreadyThere as error:
            raise NameInUse(package_id) from error

    async def configure(
        self,
        package_id: int,
        standing: AccessFacts,
        actor: Actor,
        *,
        visibility: str | None,
        inherit: bool | None,
        check: Check | None = None,
    ) -> None:
        """Change a package's visibility or the inheritance of its roles. Raises NotFound, NotAllowed, Invalid."""

        async def work(tx: Transaction) -> None:
            held = await conditions.held(tx, package_id, check)
            if visibility is not None and visibility != held.visibility:
                await _check_visibility(tx, held, visibility, standing)
                await access.show_as(tx, package_id, visibility, actor)
                await access.expel_strangers(tx, package_id, actor)
            if inherit is not None and inherit != held.inherit_access:
                await _change_mode(tx, held, standing, actor, inherit=inherit)

        await self.db.repeat(work, package_id)

    async def link(
        self,
        package_id: int,
        standing: AccessFacts,
        actor: Actor,
        repository: tuple[str, str],
        *,
        inherit: bool,
        check: Check | None = None,
    ) -> None:
        """Link a package to a repository of its owner. Raises NotFound, NotAllowed, Invalid."""

        async def work(tx: Transaction) -> None:
            held = await conditions.held(tx, package_id, check)
            target = await links.target(tx, actor.token_id, *repository)
            if target is None:
                raise NotFound
            if target.owner_id != held.owner_id:
                raise Invalid("A package can be linked only to a repository of the account that owns it.")
            if target.role < WRITE:
                raise NotAllowed("Linking needs write access to the repository.", "Ask one of its admins for it.")
            await links.link(tx, package_id, target.id, actor, inherit=inherit, forced=True)
            if inherit or held.inherit_access:
                await _forget_roles(tx, held, standing, actor, inherit=inherit)

        await self.db.repeat(work, package_id)

    async def unlink(self, package_id: int, standing: AccessFacts, actor: Actor, check: Check | None = None) -> None:
        """Unlink a package from its repository; the inherited roles are lost. Raises NotFound."""

        async def work(tx: Transaction) -> None:
            held = await conditions.held(tx, package_id, check)
            if held.repository_id is None:
                raise NotFound
            await links.unlink(tx, package_id, actor)
            if held.inherit_access:
                await _forget_roles(tx, held, standing, actor, inherit=False)

        await self.db.repeat(work, package_id)

    async def transfer(
        self,
        package_id: int,
        login: str,
        name: str | None,
        actor: Actor,
        *,
        retired_above: int,
        check: Check | None = None,
    ) -> None:
        """Give a package to another account, under this name there (None: its own); versions, tags and downloads stay.

        Access begins anew: the roles of people, teams and repositories, the link to a repository and uploads under way
        end, and an internal package is private. Its former address names nothing any more, and nobody can have it, if
        the package was popular (``retired_above`` downloads). Raises NotFound, Invalid, Conflict.
        """

        async def work(tx: Transaction) -> None:
            held = await conditions.held(tx, package_id, check)
            image = _image(login, name or held.name)
            receiver = await transfers.receiver(tx, login, image)
            if receiver is None:
                raise Invalid(f"Nobody has the login {shown(login)}.")
            full_name = f"{receiver.login.lower()}/{image}"
            if receiver.retired:
                raise Invalid(f"The name {full_name} is retired: another account had a popular package under it.")
            if (receiver.id, image) == (held.owner_id, held.name):
                raise Invalid(f"The package is {full_name} already.")
            await access.clear(tx, package_id, actor)
            await access.clear_repositories(tx, package_id, actor)
            if held.repository_id is not None or held.inherit_access:
                await links.unlink(tx, package_id, actor)
            if held.visibility == "internal":
                await access.show_as(tx, package_id, "private", actor)
            await transfers.transfer(tx, package_id, receiver.id, image, actor, retired_above=retired_above)

        try:
            await self.db.repeat(work, package_id)
        except AlreadyThere as error:
            raise Conflict(
                "The new owner has a package with this name.", "Transfer it under another: new_name."
            ) from error


def _image(login: str, name: str) -> str:
    """Return the name of an image of this account. Raises Invalid."""
    try:
        return PackageName.parse(f"{login.lower()}/{name}").image
    except InvalidName as error:
        raise Invalid(f"Invalid request.\n\nFor 'new_name': {error}") from error


async def _check_visibility(tx: Transaction, held: Held, visibility: str, standing: AccessFacts) -> None:
    if visibility == "internal" and held.owner_kind != "Organization":
        raise Invalid("Only packages of organizations can be internal.")
    if held.owner_kind != "Organization" or standing.namespace_role == ADMIN:
        return
    policy = await access.policy(tx, held.owner_id)
    if not {"public": policy.public, "private": policy.private, "internal": policy.internal}[visibility]:
        raise NotAllowed(
            f"The organization does not let its members make packages {visibility}.",
            f"An owner can do it, or allow it with members_can_create_{visibility}_packages.",
        )


async def _change_mode(tx: Transaction, held: Held, standing: AccessFacts, actor: Actor, *, inherit: bool) -> None:
    if inherit and held.repository_id is None:
        raise Invalid(
            "Access can be inherited only from a linked repository.",
            'Link one: PUT …/repository {"repository": "OWNER/NAME", "inherit_access": true}.',
        )
    await access.inherit(tx, held.id, actor, on=inherit)
    await _forget_roles(tx, held, standing, actor, inherit=inherit)


async def _forget_roles(tx: Transaction, held: Held, standing: AccessFacts, actor: Actor, *, inherit: bool) -> None:
    """Clear the roles for another mode; the person who chose granular roles stays admin, to grant the others."""
    await access.clear(tx, held.id, actor)
    owns = standing.namespace_role == ADMIN
    if inherit or owns or standing.account_id is None or standing.token_repository_id is not None:
        return
    await access.grant_user(tx, held.id, standing.account_id, ADMIN, actor)
    await access.expel_strangers(tx, held.id, actor)
