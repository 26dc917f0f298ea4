"""The command `moorage adopt`. Imports stand in the command: `--help` needs none of them."""
# ruff: noqa: PLC0415

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.maintenance import with_services
from registry.cli.output import Json, print_fields, print_json, print_rows

if TYPE_CHECKING:
    from registry.packages.adoption.report import Report
    from registry.services import Services


def adopt(
    directory: Annotated[
        str, typer.Argument(help="The root directory that the other registry has in the bucket.")
    ] = "/",
    *,
    prefixes: Annotated[
        list[str] | None, typer.Option("--map", help="OLD=NEW: names that begin with OLD begin with NEW here.")
    ] = None,
    default_owner: Annotated[str | None, typer.Option(help="The owner of names of one part.")] = None,
    create_owners: Annotated[
        str | None, typer.Option(metavar="LOGIN", help="Make missing organizations, owned by this user.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would come, and what could not.")] = False,
    seal: Annotated[
        bool, typer.Option("--seal", help="The other registry is gone: its objects may be deleted.")
    ] = False,
    json: Json = False,
) -> None:
    """Take over in place what distribution, Harbor or GitLab wrote into the bucket. To run again is to go on.

    No object is copied, and none deleted before --seal. The exit status is 1 if something could not be adopted.
    """
    from registry.packages.adoption.adopting import seal as seal_it
    from registry.packages.adoption.layout import root_of

    root = root_of(directory)
    if seal:
        with_services(lambda services: seal_it(services.db, root))
        typer.echo(f"sealed {root}")
        return
    naming = dict(_pair(text) for text in prefixes or ())

    async def work(services: "Services") -> "Report":
        from registry.accounts.organizations import create
        from registry.packages.adoption.adopting import Adoption
        from registry.packages.adoption.names import Naming
        from storage.metadata import accounts

        async def owner_of(login: str) -> int | None:
            found = await accounts.by_login(services.db, login)
            if found is None and create_owners is not None:
                if dry_run:
                    return 0
                found = await create(services.db, login, create_owners)
            return None if found is None else found.id

        return await Adoption(
            services.db, services.stores, services.manifests, root, Naming(naming, default_owner), owner_of,
            grace_seconds=services.settings.uploads.link_grace_seconds, dry=dry_run,
        ).run()  # fmt: skip

    report = with_services(work)
    if json:
        print_json(report)
    else:
        print_fields({name: getattr(report, name) for name in report.__slots__ if name != "findings"})
        print_rows((one.repository, one.what, one.why) for one in report.findings)
    if report.findings:
        raise typer.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    old, sign, new = text.partition("=")
    if not sign or not old or not new:
        raise typer.BadParameter("expected OLD=NEW", param_hint="--map")
    return old.strip("/"), new.strip("/")
