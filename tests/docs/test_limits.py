"""The numbers of docs/reference/limits.md are those of the program."""

import re

import pytest

from auth import oidc
from registry.accounts import access_tokens, attempts, devices, names, oidc_login, sign_in, workflow_tokens
from registry.egress import client
from registry.hooks import hooks
from registry.hooks.sending import Pace
from registry.http.api import call, deletions
from registry.http.server import parser
from registry.jobs import forget_deliveries
from registry.oci import headers, manifest, parameters
from registry.packages import linking, publishing, search, tag_rules
from registry.packages.retention import policy, rules
from registry.uploads.sessions import UploadSettings
from storage.names import NAME_MAX, InvalidName, TagName
from tests.docs.pages import DOCS

#: Each row of the page, and what the program has.
LIMITS: dict[str, float] = {
    "login": names._LOGIN_MAX,
    "name of an image, with its owner": NAME_MAX,
    "tag": 128,
    "note of a token": access_tokens._NOTE_MAX,
    "layer": UploadSettings().layer_limit_bytes,
    "time of an upload, from its first request": UploadSettings().upload_seconds,
    "uploads that an account has open": UploadSettings().sessions_max,
    "manifest": manifest.MAX_MANIFEST_BYTES,
    "layers, or parts of an index, of a manifest": manifest.MAX_DESCRIPTORS,
    "annotations of a manifest": manifest.MAX_ANNOTATIONS,
    "tags of one push by digest (`?tag=`)": parameters.MAX_TAGS_PER_PUSH,
    "config that is read for labels": publishing._CONFIG_MAX,
    "description, of a label or annotation": linking._DESCRIPTION_MAX,
    "licence, of a label or annotation": linking._LICENSES_MAX,
    "source, of a label or annotation": linking._SOURCE_MAX,
    "ranges of one GET of a blob": headers.MAX_RANGES,
    "body of a request": call.BODY_MAX,
    "versions of one deletion": deletions._VERSIONS_MAX,
    "results of a page of a search": search.PAGE_MAX,
    "entries that `?n=` of a list of tags, or of the catalog, gives": headers.MAX_PAGE,
    "header lines of a request": parser.HEADERS_MAX,
    "rules of a fine-grained token": access_tokens._RULES_MAX,
    "tag rules": tag_rules._RULES_MAX,
    "globs of a tag rule": tag_rules._GLOBS_MAX,
    "rules of a retention policy": policy._RULES_MAX,
    "globs of such a rule, or of its packages": policy._GLOBS_MAX,
    "name of a retention policy": rules._NAME_MAX,
    "webhooks of an organization, or of a repository": hooks.HOOKS_MAX,
    "time for an answer": client.HOOK_SECONDS,
    "answer that is kept": client.ANSWER_BYTES,
    "time for which deliveries are kept": forget_deliveries.KEPT_DAYS,
    "time for which a failing delivery holds up others of its package": Pace().holds_seconds,
    "life of a workflow token": workflow_tokens.LIFE_MAX_SECONDS,
    "life of what keyless login gives": oidc_login._LIFE_SECONDS,
    "identity token": oidc.TOKEN_MAX,
    "link that signs in to the pages": sign_in.CODE_SECONDS,
    "code of a sign-in by a command line": devices.LIVES_SECONDS,
    "window in which failed sign-ins are counted": attempts.WINDOW_SECONDS,
}


def test_the_page_tells_the_limits() -> None:
    rows = re.findall(r"^\| (.+?) \| ([\d,]+) ", (DOCS / "reference" / "limits.md").read_text(), re.MULTILINE)
    assert {what: int(number.replace(",", "")) for what, number in rows} == LIMITS


def test_a_tag_may_have_so_many() -> None:
    assert TagName.parse("a" * 128)
    with pytest.raises(InvalidName):
        TagName.parse("a" * 129)
