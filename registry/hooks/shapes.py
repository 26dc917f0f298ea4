"""A hook in GitHub's shape, as the API answers it and a ping tells it."""

from typing import Any

from registry.hooks.hooks import HIDDEN, Opened
from registry.shapes import Urls


def config_shape(opened: Opened) -> dict[str, str]:
    """Return a hook's configuration; of its secret only whether there is one."""
    config = opened.present.config
    secret = {} if config.secret is None else {"secret": HIDDEN}
    return {"content_type": opened.hook.content_type, "insecure_ssl": "0", "url": config.url, **secret}


def hook_shape(urls: Urls, opened: Opened, place: str) -> dict[str, Any]:
    """Return a hook; ``place``: the path below which it is, as ``orgs/acme``."""
    hook = opened.hook
    url = f"{urls.base}/{place}/hooks/{hook.id}"
    of_repository = {"test_url": f"{url}/tests"} if hook.repository_id is not None else {}
    return {
        "type": "Organization" if hook.repository_id is None else "Repository",
        "id": hook.id,
        "name": "web",
        "active": hook.active,
        "events": hook.events,
        "config": config_shape(opened),
        "updated_at": hook.updated_at,
        "created_at": hook.created_at,
        "url": url,
        **of_repository,
        "ping_url": f"{url}/pings",
        "deliveries_url": f"{url}/deliveries",
        "last_response": {
            "code": hook.last_code or None,
            "status": "unused" if hook.last_status is None else "active" if hook.failing_since is None else "failing",
            "message": hook.last_status,
        },
        "format": hook.format,
        "children": hook.children,
        "disabled_reason": hook.disabled_reason,
    }
