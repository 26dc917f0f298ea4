"""The frame of the pages of site administrators: their addresses, and the questions before a change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from registry.http.web.call import PageCall
from registry.http.web.routes import Handler
from registry.http.web.sessions import SignedIn
from registry.http.web.signed_in import UNSTORED, signed_in

PLACE: Final = "/-/admin"
ROWS: Final = 50


def is_below(path: str) -> bool:
    """Return whether only administrators have an address; the others get the page of what is missing."""
    return path == PLACE or path.startswith(f"{PLACE}/")


def page(call: PageCall, template: str, heading: str, **values: Any) -> web.Response:
    """Render a page of administration under its heading."""
    return call.page(template, title=[heading, call.say("Administration")], heading=heading, **values)


@dataclass(frozen=True, slots=True)
class Question:
    """A question before a change. ``action``: the address of the form; ``cancel``: where one goes instead.

    ``typed``: the name that has to be typed; ``fields``: hidden fields of the form.
    """

    heading: str
    consequences: Sequence[str]
    button: str
    action: str
    cancel: str
    kind: str = "bad"
    typed: str | None = None
    fields: Sequence[tuple[str, str]] = ()


def ask(call: PageCall, question: Question, wrong: str | None = None) -> web.Response:
    """Render a question; ``wrong``: what is wrong with the name that was typed."""
    return call.page(
        "admin_confirm.html",
        title=[question.heading, call.say("Administration")],
        status=200 if wrong is None else 422,
        headers=UNSTORED,
        errors={} if wrong is None else {"typed": wrong},
        heading=question.heading,
        consequences=question.consequences,
        button=question.button,
        action=question.action,
        cancel=question.cancel,
        kind=question.kind,
        button_kind="bad" if question.kind == "bad" else "main",
        typed=question.typed,
        fields=question.fields,
    )


def changes(handler: Handler, *, back: str = f"{PLACE}/accounts") -> Handler:
    """Have ``handler`` called for administrators who signed in not long ago.

    ``back``: where those go on who send a form, and sign in first.
    """

    async def changed(call: PageCall, _session: SignedIn) -> web.StreamResponse:
        return await handler(call)

    read = signed_in(changed, recently=True)
    written = signed_in(changed, recently=True, page=back)

    async def either(call: PageCall) -> web.StreamResponse:
        return await (written if call.http.method == "POST" else read)(call)

    return either
