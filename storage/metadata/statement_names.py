"""Names of statements: the module and the constant that declare them, ``tags.MOVE``."""

import sys
from typing import Final

_MODULES: Final = "storage.metadata."
_names: Final[dict[str, str]] = {}


def statement_name(sql: str) -> str:
    """Return the name of a statement of ours, module and constant: ``tags.MOVE``; of any other its first word."""
    if sql not in _names:
        for path, module in list(sys.modules.items()):
            if path.startswith(_MODULES):
                _names.update(_named(path.rpartition(".")[2], vars(module)))
        _names.setdefault(sql, (sql.split(maxsplit=1) or [""])[0].upper())
    return _names[sql]


def _named(module: str, values: dict[str, object]) -> dict[str, str]:
    """Return the names of the statements that are constants of a module, by their SQL."""
    return {
        value.sql: f"{module}.{name.strip('_')}"
        for name, value in values.items()
        if name.isupper() and hasattr(value, "sql")
    }
