"""The command `moorage`, also `python -m registry`: the operator's commands, and the user's, which need no server."""
# ruff: noqa: PLC0415 - each half is imported alone

import sys

from registry.cli.client.commands import OPERATOR


def main() -> None:
    """Run the command line: the half that has the command."""
    if sys.argv[1:2] and sys.argv[1] in OPERATOR:
        try:
            from registry.cli import operator
        except ModuleNotFoundError as error:
            sys.exit(
                f"moorage: `{sys.argv[1]}` needs the server, which is not installed here ({error.name} is missing): "
                "pip install 'moorage[server]'"
            )
        operator.main()
    else:
        from registry.cli.client.main import main as client

        sys.exit(client())


if __name__ == "__main__":
    main()
