"""Clusters of Kubernetes, whose service accounts pull without a secret: the commands ``cluster``."""

import json
from argparse import ArgumentParser
from typing import Any, Final
from urllib.parse import quote

from registry.cli.client.api import Api
from registry.cli.client.commands import Command, add_change
from registry.cli.client.context import Context
from registry.cli.client.errors import NOT_FOUND, USAGE, CommandError
from registry.cli.client.nouns import add_owner, settings_path, would
from registry.cli.client.output import Column

#: The issuer of clusters that were made with the usual tools.
_USUAL: Final = "https://kubernetes.default.svc.cluster.local"
_CLUSTERS: Final = (
    Column("CLUSTER", lambda one: one["name"]),
    Column("ISSUER", lambda one: one["issuer"]),
    Column("AUDIENCE", lambda one: one["audience"]),
    Column("KEYS", lambda one: "fetched" if one["keys"] is None else str(len(one["keys"]))),
)
_GRANTS: Final = (
    Column("ID", lambda one: str(one["id"])),
    Column("NAMESPACE", lambda one: one["namespace"]),
    Column("ACCOUNT", lambda one: one["account"]),
    Column("PACKAGES", lambda one: one["package"]),
)


def _path(api: Api, owner: str, cluster: str = "", rest: str = "") -> str:
    path = settings_path(api, owner, "clusters")
    return f"{path}/{quote(cluster, safe='')}{rest}" if cluster else path


def _list(context: Context) -> None:
    api, owner = context.api(), context.options.owner
    found = api.get(_path(api, owner))
    context.output.table(_CLUSTERS, found, lambda one: one["name"])
    if not found:
        context.note(f"No clusters. kubectl get --raw /openid/v1/jwks | moorage cluster add {owner} prod --jwks -")


def _add_cluster(parser: ArgumentParser) -> None:
    add_owner(parser)
    parser.add_argument("cluster", metavar="CLUSTER", help="its name here")


def _add_add(parser: ArgumentParser) -> None:
    _add_cluster(parser)
    parser.add_argument("--issuer", default=_USUAL, metavar="NAME", help=f"the iss of its tokens ({_USUAL})")
    parser.add_argument("--jwks", metavar="FILE", help="its public keys, - of standard input; else the issuer is asked")
    parser.add_argument("--ca", metavar="FILE", help="the authorities (PEM) of the issuer's certificate")
    parser.add_argument("--audience", metavar="NAME", help="the aud of its tokens (the name of the registry)")
    add_change(parser)


def _read(context: Context, path: str) -> str:
    """Read a file, or standard input. Raises CommandError."""
    try:
        if path == "-":
            return context.input.read()
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeError) as error:
        raise CommandError(f"cannot read {path}: {error}", status=USAGE) from error


def _keys(context: Context, path: str) -> Any:
    try:
        return json.loads(_read(context, path))
    except ValueError as error:
        raise CommandError(f"{path} has no JSON", status=USAGE, why=str(error),
                           attempt="kubectl get --raw /openid/v1/jwks") from error  # fmt: skip


def _add(context: Context) -> None:
    options, api = context.options, context.api()
    body = {"issuer": options.issuer, "audience": options.audience,
            "jwks": _keys(context, options.jwks) if options.jwks else None,
            "ca": _read(context, options.ca) if options.ca else None}  # fmt: skip
    path = _path(api, options.owner, options.cluster)
    if not options.dry_run:
        made: dict[str, Any] = api.reply("PUT", path, body).json()
        if context.output.fields is not None:
            context.output.json(made)
    context.changed(
        f"{would(context)}{options.owner} knows the cluster {options.cluster}\n"
        f"  next: moorage cluster grant {options.owner} {options.cluster} --namespace '*'",
        f"moorage cluster remove {options.owner} {options.cluster}",
    )


def _add_changed(parser: ArgumentParser) -> None:
    _add_cluster(parser)
    add_change(parser, asks=True)


def _remove(context: Context) -> None:
    options, api = context.options, context.api()
    path = _path(api, options.owner, options.cluster)
    _known(api, path, options.owner)
    if not options.dry_run:
        context.confirm(
            f"Remove the cluster {options.cluster} with its grants? Its nodes pull without a secret no more."
        )
        api.reply("DELETE", path)
    context.note(f"{would(context)}{options.cluster} is removed")


def _grants(context: Context) -> None:
    options, api = context.options, context.api()
    path = _path(api, options.owner, options.cluster)
    _known(api, path, options.owner)
    context.output.table(_GRANTS, api.get(f"{path}/grants"), lambda one: str(one["id"]))


def _add_grant(parser: ArgumentParser) -> None:
    _add_cluster(parser)
    parser.add_argument("--namespace", required=True, metavar="GLOB", help="of namespaces that match: 'team-*'")
    parser.add_argument("--account", default="*", metavar="GLOB", help="service accounts that match (*)")
    parser.add_argument(
        "--package", default="*", metavar="GLOB", help="may read packages that match, without OWNER/ (*)"
    )
    add_change(parser)


def _grant(context: Context) -> None:
    options, api = context.options, context.api()
    path = _path(api, options.owner, options.cluster)
    _known(api, path, options.owner)
    undo = ""
    if not options.dry_run:
        body = {"namespace": options.namespace, "account": options.account, "package": options.package}
        made: dict[str, Any] = api.reply("POST", f"{path}/grants", body).json()
        undo = f"moorage cluster revoke {options.owner} {options.cluster} {made['id']}"
        if context.output.fields is not None:
            context.output.json(made)
    accounts = f"{options.namespace}/{options.account} of {options.cluster}"
    context.changed(f"{would(context)}{accounts} may pull {options.owner}/{options.package}", undo)


def _add_revoke(parser: ArgumentParser) -> None:
    _add_cluster(parser)
    parser.add_argument("grant", type=int, metavar="ID", help="as `moorage cluster grants` shows it")
    add_change(parser)


def _revoke(context: Context) -> None:
    options, api = context.options, context.api()
    path = _path(api, options.owner, options.cluster)
    _known(api, path, options.owner)
    found = next((one for one in api.get(f"{path}/grants") if one["id"] == options.grant), None)
    if found is None:
        raise CommandError(f"{options.cluster} has no grant {options.grant}", status=NOT_FOUND,
                           attempt=f"moorage cluster grants {options.owner} {options.cluster}")  # fmt: skip
    if not options.dry_run:
        api.reply("DELETE", f"{path}/grants/{options.grant}")
    again = f"--namespace '{found['namespace']}' --account '{found['account']}' --package '{found['package']}'"
    context.changed(
        f"{would(context)}the grant {options.grant} is gone, from the next pull on",
        f"moorage cluster grant {options.owner} {options.cluster} {again}",
    )


def _known(api: Api, path: str, owner: str) -> None:
    try:
        api.get(path)
    except CommandError as error:
        if error.status == NOT_FOUND:
            raise CommandError(
                f"there is no cluster {path.rpartition('/')[2]} of {owner}", status=NOT_FOUND,
                attempt=f"moorage cluster list {owner}",
            ) from error  # fmt: skip
        raise


COMMANDS: Final = {
    "cluster list": Command(add_owner, _list),
    "cluster add": Command(_add_add, _add),
    "cluster remove": Command(_add_changed, _remove),
    "cluster grants": Command(_add_cluster, _grants),
    "cluster grant": Command(_add_grant, _grant),
    "cluster revoke": Command(_add_revoke, _revoke),
}
