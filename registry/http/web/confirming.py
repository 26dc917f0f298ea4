"""Pages that ask before something is done: what happens, a typed name where that cannot be undone, and a button."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from registry.http.web.call import PageCall


@dataclass(frozen=True, slots=True)
class Question:
    """A change to be confirmed; texts are in the viewer's language.

    ``consequences``: what happens, a line each; ``cancel``: the path that leads back; ``typed``: the name to be typed,
    None if the button is enough; ``kind``: bad, warn or info; ``hidden``: pairs of a field and its value;
    ``part``: of the pages, for the title.
    """

    heading: str
    consequences: Sequence[str]
    button: str
    cancel: str
    typed: str | None = None
    kind: str = "bad"
    hidden: Sequence[tuple[str, str]] = ()
    part: str | None = None


def ask(
    call: PageCall,
    question: Question,
    errors: Mapping[str, str] | None = None,
    *,
    template: str = "confirm.html",
    **more: Any,
) -> web.Response:
    """Render the page that asks; its form is sent to the page's own address."""
    return call.page(
        template,
        title=[text for text in (question.heading, question.part) if text],
        status=422 if errors else 200,
        action=call.path,
        question=question,
        errors=errors or {},
        typed=call.text("typed"),
        **more,
    )


def wrong_name(call: PageCall, question: Question) -> dict[str, str] | None:
    """Return the error of a form whose typed name is not the one that was asked for."""
    if question.typed is None or call.text("typed") == question.typed:
        return None
    return {"typed": call.say("This is not the name.")}
