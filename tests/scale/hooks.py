"""Webhooks of a registry of any size, and what their statements are asked: forty of the first organizations and repositories."""

import datetime as dt

_HOOKS = 40
_NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def tables(users: int, packages: int) -> dict[str, str]:
    """A third of the deliveries waits: behind receivers that fail, of a hundred packages each."""
    return {
        "hooks (id, owner_id, repository_id, sealed, content_type, format, events, children, active, failures)": f"""
    SELECT n, CASE WHEN n % 2 = 0 THEN {users} + n / 2 END, CASE WHEN n % 2 = 1 THEN n END, 'sealed', 'json', 'github',
           '{{package}}', false, true, n % 3
      FROM generate_series(1, {_HOOKS}) n""",
        "hook_deliveries (hook_id, event, action, lane, xid, event_id, at, package_id, version_id, state, due_at,"
        " created_at, payload)": f"""
    SELECT 1 + n % {_HOOKS}, 'package', 'published', n % 100 + 1, n::text::xid8, n, now(), n % 100 + 1, n,
           (ARRAY['delivered', 'waiting', 'delivered'])[1 + n % 3], now() + (n % 60 - 30) * interval '1 minute',
           now() - n % 40 * interval '1 day', '{{}}'
      FROM generate_series(1, {packages}) n""",
        "event_readers (reader, xid, id)": """
    SELECT 'reader-' || n, '700', n FROM generate_series(1, 4) n
     UNION ALL
    SELECT 'hooks', '700', 1""",
    }


def arguments(
    org_id: int, repository_id: int, package_id: int, version_id: int, by: str
) -> dict[str, list[tuple[object, ...]]]:
    """Module and name of a statement to what it is run with."""
    hook = (b"sealed", "json", "github", ["package"], False, True)
    told = [["701"], [7], [_NOW], [org_id], [package_id], [repository_id], [version_id], ["sha256:" + "0" * 64], ["v1"], [7],
            ["{}"], ["published"], ["package registry_package"], [True], 60.0]  # fmt: skip
    taken = (7, 1)
    return {
        "hooks._NEXT": [()],
        "hooks._HOLD": [(org_id, None), (None, 7)],
        "hooks._INSERT": [(2**40, org_id, None, *hook, by)],
        "hooks._UPDATE": [(7, *hook, by)],
        "hooks._DELETE": [(7, by)],
        "hooks._DISABLE": [(7, "it is gone", by)],
        "hooks._GET": [(2, org_id, None), (7, None, 7)],
        "hooks._BY_ID": [(7,)],
        "hooks._LIST": [(org_id, None), (None, 7)],
        "hooks._SEALED": [(0, 100), (7, 100)],
        "hooks._RESEAL": [(7, b"sealed", b"other")],
        "hooks._SUCCEEDED": [(7, 200, "OK")],
        "hooks._FAILED": [(7, 500, "Invalid HTTP Response: 500", 0.5, 60.0, 20, 86400.0)],
        "hook_events._HOLD": [()],
        "hook_events._NEWS": [()],
        "hook_events._BEHIND": [("0", 0), ("700", 1)],
        "hook_events._RELEASE": [([version_id],)],
        "hook_events._RELEASE_DUE": [(500,)],
        "hook_events._CANCEL": [([version_id],)],
        "hook_events._TELL": [tuple(told)],
        "hook_subjects._SUBJECT": [(package_id, version_id, 7, None), (package_id, None, None, "sha256:" + "0" * 64)],
        "hook_subjects._REPOSITORY": [(repository_id,)],
        "hook_subjects._LOGIN": [(7,)],
        "deliveries._PING": [(7,)],
        "deliveries._REPEAT": [(8, 7)],
        "deliveries._TAKE": [(256, 4, 30.0)],
        "deliveries._STORE": [(*taken, "{}", b"{}")],
        "deliveries._END": [(*taken, "delivered", 200, "OK", "{}", b"", 7, 0.0, 3600.0)],
        "deliveries._LIST": [(8, 2**62, None, 31), (8, 2**62, ["failed"], 31)],
        "deliveries._GET": [(8, 7)],
        "deliveries._FORGET": [(30, 1000)],
    }
