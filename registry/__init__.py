"""A container registry: see README.md."""

import sys

# structlog draws tracebacks with rich where that is installed, as it is with typer: 5 MiB that nobody looks at here.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]
