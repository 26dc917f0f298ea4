"""The table of commands: which module has a command, its arguments, and what is shared by all of them."""

from argparse import SUPPRESS, ArgumentParser, HelpFormatter
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Final, NamedTuple, NoReturn

from registry.cli.client.context import Context
from registry.cli.client.errors import USAGE, CommandError

#: Each command: its module, and what it does. Two words come before one.
TABLE: Final[Mapping[str, tuple[str, str]]] = {
    "login": ("login", "sign in to a registry"),
    "logout": ("login", "sign out, and revoke the token that `login` made"),
    "whoami": ("login", "tell who is signed in, and what the token may"),
    "packages": ("packages", "list packages"),
    "package": ("packages", "tell the facts of a package"),
    "versions": ("packages", "list the versions of a package"),
    "du": ("packages", "tell how much is stored"),
    "usage": ("usage", "tell what an account uses, and how much of its quota that is"),
    "quota set": ("usage", "limit what an account may store, as an administrator"),
    "quota remove": ("usage", "take the limit of an account away"),
    "open": ("packages", "open the page of a package or version in the browser"),
    "tags": ("tags", "list the tags of a package"),
    "tags history": ("tags", "tell where a tag pointed, and who moved it"),
    "tags rollback": ("tags", "point a tag at the version that it had before"),
    "tag": ("tags", "make a tag, or move it with --force"),
    "untag": ("tags", "take tags away; their versions stay"),
    "tag-rule list": ("tag_rules", "list the rules that keep tags as they are"),
    "tag-rule add": ("tag_rules", "make a rule: tags that may not be moved, deleted or made"),
    "tag-rule enable": ("tag_rules", "enable a rule"),
    "tag-rule disable": ("tag_rules", "disable a rule for the time being"),
    "tag-rule remove": ("tag_rules", "remove a rule"),
    "mirror add": ("mirrors", "have an organization mirror another registry, or change how"),
    "mirror show": ("mirrors", "tell what an organization mirrors, and how"),
    "mirror status": ("mirrors", "tell what the upstream of a mirror last said"),
    "mirror remove": ("mirrors", "make an organization mirror nothing; its packages stay"),
    "mirror config": ("mirrors", "print the configuration with which a client uses a mirror"),
    "activity": ("tags", "tell what happened to a package"),
    "pulls": ("pulls", "tell who pulled a package, and from where"),
    "audit": ("audit", "tell what happened to an organization, to you, or in the registry"),
    "tree": ("tree", "show an index with its platforms, signatures and other referrers"),
    "inspect": ("inspection", "show the manifest, config and labels of an image"),
    "diff": ("difference", "show what changed between two images"),
    "copy": ("copy", "copy an image between any two registries"),
    "import": ("imports", "import repositories of any registry"),
    "export": ("export", "write images into a tar file, an OCI layout"),
    "access": ("access", "list who has access to a package, or tell why somebody has"),
    "access grant": ("access", "give a role over a package"),
    "access revoke": ("access", "take a role over a package"),
    "cluster list": ("clusters", "list the clusters whose service accounts may pull without a secret"),
    "cluster add": ("clusters", "register a cluster, or its new keys"),
    "cluster remove": ("clusters", "remove a cluster with its grants"),
    "cluster grants": ("clusters", "list what the service accounts of a cluster may pull"),
    "cluster grant": ("clusters", "let service accounts of a cluster pull packages"),
    "cluster revoke": ("clusters", "remove a grant to a cluster"),
    "visibility": ("access", "show or change who may see a package"),
    "link": ("access", "link a package to a repository"),
    "unlink": ("access", "unlink a package from its repository"),
    "delete": ("deletion", "delete a package, or versions of it"),
    "restore": ("deletion", "restore what was deleted"),
    "retention policies": ("retention", "list the retention policies of an organization, or yours"),
    "retention set": ("retention", "make or replace a retention policy"),
    "retention unset": ("retention", "delete a retention policy"),
    "retention plan": ("retention", "tell what a policy would delete, and why; nothing is deleted"),
    "retention plans": ("retention", "list the plans that were made"),
    "retention show": ("retention", "tell what a plan has decided, and what became of it"),
    "retention apply": ("retention", "delete what a plan has decided to delete"),
    "retention undo": ("retention", "bring back what a plan has deleted"),
    "retention explain": ("retention", "tell why a version is kept or deleted"),
    "retention convert": ("retention", "convert a policy of ECR, GitLab, Harbor or Artifact Registry"),
    "tokens": ("tokens", "list your access tokens"),
    "tokens list": ("tokens", "the same"),
    "tokens new": ("tokens", "make an access token, and print it"),
    "tokens revoke": ("tokens", "revoke access tokens"),
    "org list": ("organizations", "list your organizations"),
    "org show": ("organizations", "tell the facts of an organization"),
    "org members": ("organizations", "list the members of an organization"),
    "org create": ("organizations", "make an organization that you own"),
    "org add": ("organizations", "add a member, or change a member's role"),
    "org remove": ("organizations", "remove a member"),
    "org delete": ("organizations", "delete an organization with all of it"),
    "team list": ("teams", "list the teams of an organization"),
    "team show": ("teams", "tell the facts of a team, with its members and repositories"),
    "team create": ("teams", "make a team"),
    "team add": ("teams", "add a member of the organization to a team"),
    "team remove": ("teams", "remove a member from a team"),
    "team delete": ("teams", "delete a team with its roles"),
    "repo list": ("repositories", "list repositories"),
    "repo show": ("repositories", "tell the facts of a repository"),
    "repo members": ("repositories", "list who has a role over a repository"),
    "repo create": ("repositories", "make a repository, to which packages can be linked"),
    "repo add": ("repositories", "give a role over a repository"),
    "repo remove": ("repositories", "take a role over a repository"),
    "repo delete": ("repositories", "delete a repository; its packages stay"),
    "rate-limit": ("rate_limit", "tell how many pulls and requests you have left"),
    "hook list": ("hooks", "list the webhooks of an organization or repository"),
    "hook show": ("hooks", "tell the facts of a webhook"),
    "hook create": ("hooks", "have a URL told of pushes and other changes"),
    "hook delete": ("hooks", "delete a webhook"),
    "hook ping": ("hooks", "have a webhook sent a ping"),
    "hook deliveries": ("hooks", "list what a webhook was sent, and how that went"),
    "hook delivery": ("hooks", "show a delivery with what was sent and answered"),
    "hook redeliver": ("hooks", "send a delivery once more"),
    "api": ("request", "send any request of the API"),
    "config list": ("configuration", "list the host and owner that are meant where none is named"),
    "config get": ("configuration", "print a preference"),
    "config set": ("configuration", "set a preference"),
    "config unset": ("configuration", "take a preference away"),
    "completion": ("completion", "print the completions of bash, zsh or fish"),
    "version": ("version", "print the version"),
}
#: What the operator has: registry.cli.operator, which needs the server.
OPERATOR: Final = {
    "serve": "answer clients",
    "worker": "do the work that no client waits for",
    "migrate": "bring the schema of the database up to date",
    "run": "run everything here, with a PostgreSQL and an S3 server of its own",
    "admin": "what only the operator does, straight on the database",
    "doctor": "check a deployment, and tell how to mend what is wrong",
    "readonly": "refuse what would change anything, for a while",
    "gc": "tell what waits to be collected, or collect it now",
    "purge": "end a deleted package for good",
    "adopt": "take over in place what another registry wrote into the bucket",
}


class Command(NamedTuple):
    """A command of a module: what adds its arguments to a parser, and what runs it."""

    add: Callable[[ArgumentParser], None]
    run: Callable[[Context], int | None]


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(message, status=USAGE, attempt=f"{self.prog} --help")


def command_of(name: str) -> Command:
    """Import the module of a command."""
    found: Command = import_module(f"registry.cli.client.{TABLE[name][0]}").COMMANDS[name]
    return found


def unknown(words: Sequence[str]) -> CommandError:
    """Return the error for words that are no command, with the nearest one."""
    from difflib import get_close_matches

    first, below = words[0], [name for name in TABLE if name.startswith(f"{words[0]} ")]
    known = below or [*{name.partition(" ")[0] for name in TABLE}, *OPERATOR]
    near = get_close_matches(" ".join(words[:2]) if below else first, known, 1)
    attempt = f"moorage {near[0]}" if near else "moorage --help"
    if not below:
        return CommandError(f"there is no command {first!r}", status=USAGE, attempt=attempt)
    verbs = ", ".join(name.partition(" ")[2] for name in below)
    return CommandError(f"{first!r} is no command by itself", status=USAGE, why=f"expected {verbs}", attempt=attempt)


def parser_of(name: str, command: Command) -> ArgumentParser:
    """Build the parser of a command's arguments."""
    about = TABLE[name][1]
    parser = _Parser(
        prog=f"moorage {name}", description=about[:1].upper() + about[1:] + ".", allow_abbrev=False, add_help=False,
        formatter_class=lambda prog: HelpFormatter(prog, max_help_position=28),
    )  # fmt: skip
    command.add(parser)
    shared = parser.add_argument_group("options of every command")
    shared.add_argument("-h", "--help", action="help", help="show this")
    shared.add_argument("--host", default="", metavar="HOST", help="the registry, unless the reference names it")
    shared.add_argument("--insecure", action="store_true", help="speak plain HTTP")
    shared.add_argument("--json", metavar="FIELDS", nargs="?", const="", help="print JSON: all of it, or --json a,b")
    shared.add_argument("--jq", metavar="EXPRESSION", help="print JSON through jq, which must be installed")
    shared.add_argument("-q", "--quiet", action="store_true", help="print names only, and no messages")
    shared.add_argument("--no-color", action="store_true", help="no colours, also on a terminal")
    shared.add_argument("--verbose", action="store_true", help="tell each request on stderr, without its secrets")
    parser.set_defaults(yes=False, dry_run=False)
    return parser


def add_change(parser: ArgumentParser, *, asks: bool = False) -> None:
    """Add the arguments of a command that changes something; ``asks``: it asks before it does."""
    parser.add_argument("--dry-run", action="store_true", help="tell what would be done, and do nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask" if asks else SUPPRESS)


def add_limit(parser: ArgumentParser) -> None:
    """Add the arguments that bound a list."""
    parser.add_argument("--limit", type=int, default=30, metavar="N", help="at most so many (30)")
    parser.add_argument("--all", action="store_true", help="all of them")


def limit_of(context: Context) -> int | None:
    """Return how many items are wanted; None for all."""
    limit: int = context.options.limit
    if limit < 1:
        raise CommandError("--limit is 1 at least", status=USAGE)
    return None if context.options.all else limit


def overview() -> str:
    """Return the help of the whole command line."""
    width = max(map(len, [*TABLE, *OPERATOR])) + 2
    users = "".join(f"  {name:{width}}{about}\n" for name, (_, about) in TABLE.items())
    operators = "".join(f"  {name:{width}}{about}\n" for name, about in OPERATOR.items())
    return (
        "Usage: moorage COMMAND [ARGUMENTS]\n\nA container registry of your own.\n\n"
        f"For users:\n{users}\nFor the operator:\n{operators}\n"
        "moorage COMMAND --help tells the arguments of a command.\n"
    )
