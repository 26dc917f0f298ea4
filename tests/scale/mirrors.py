"""Mirrors of a registry of any size, and what their statements are asked: forty of the first organizations."""

import datetime as dt
import uuid

_MIRRORS = 40
_BEGUN = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def tables(users: int, packages: int) -> dict[str, str]:
    """A manifest of each package wants a layer; a tenth of the layers is being fetched."""
    return {
        "mirrors (owner_id, url)": f"""
    SELECT {users} + n, 'https://upstream-' || n FROM generate_series(1, {_MIRRORS}) n""",
        "mirror_names (name, is_host, owner_id, place)": f"""
    SELECT 'upstream-' || n || '.example', host, {users} + n, 1
      FROM generate_series(1, {_MIRRORS}) n, unnest(ARRAY[false, true]) host""",
        "mirror_answers (owner_id, image, reference, told_at, checked_at)": f"""
    SELECT {users} + 1 + n % {_MIRRORS}, 'app-' || n, 'latest', now() - n % 40 * interval '1 day', now()
      FROM generate_series(1, {packages}) n""",
        "mirror_wanted (package_id, digest, manifest, size, media_type, is_blob)": """
    SELECT package_id, pg_temp.digest('w', package_id), digest, 1000, 'layer', true
      FROM manifests WHERE id = 10 * package_id + 3""",
        "mirror_fetches (package_id, digest, upload_id, size)": f"""
    SELECT n, pg_temp.digest('w', n), md5('upload' || n)::uuid, 1000 FROM generate_series(10, {packages}, 10) n""",
    }


def arguments(
    actor: str, org_id: int, user_id: int, package_id: int, manifest: str, wanted: str, upload: uuid.UUID
) -> dict[str, list[tuple[object, ...]]]:
    """Module and name of a statement to what it is run with."""
    blob, answer = (package_id, wanted), (org_id, "app-7", "latest")
    names = (["upstream-7.example"], ["hub.example"])
    settings: tuple[object, ...] = (
        "https://upstream-7",
        *names,
        None,
        None,
        [],
        [],
        [],
        300,
        None,
        60,
        "read",
        30,
        None,
        False,
        actor,
    )
    return {
        "mirrors._OF_OWNER": [(org_id,)],
        "mirrors._ALL": [()],
        "mirrors._PUT": [(org_id, *settings, False), (org_id, *settings, True)],
        "mirrors._RELEASE": [(org_id, *names)],
        "mirrors._NAME": [(org_id, names[1], True)],
        "mirrors._REMOVE": [(org_id, actor)],
        "mirrors._HAS_PACKAGES": [(org_id,)],
        "mirrors._SEALED": [(0, 100)],
        "mirrors._RESEAL": [(org_id, b"former", b"new")],
        "mirrors._STATE": [(org_id,)],
        "mirror_evictions._IDLE": [(org_id, 30, 10**9, 100)],
        "mirror_evictions._GONE": [(package_id, 7)],
        "mirror_contents._ENSURE": [(org_id, "app-7", "internal"), (org_id, "new", "private")],
        "mirror_contents._MEMBER": [(org_id, user_id)],
        "mirror_contents._ANSWER": [(*answer, _BEGUN)],
        "mirror_contents._ASK": [(*answer, None, 25.0)],
        "mirror_contents._TOLD": [(*answer, None, None, 0.0), (*answer, "away", "500", 1.0)],
        "mirror_contents._FORGET": [(30, 1000)],
        "mirror_contents._WANTED": [blob],
        "mirror_contents._WANT": [(package_id, manifest, [wanted], [1000], ["layer"], [True])],
        "mirror_contents._SIZED": [(package_id, manifest, 1000)],
        "mirror_contents._BLOB_CAME": [blob],
        "mirror_contents._MANIFEST_CAME": [blob],
        "mirror_contents._FETCH": [(*blob, _BEGUN)],
        "mirror_contents._BEGIN": [(*blob, upload, 1000)],
        "mirror_contents._FAIL": [(*blob, upload, 1.0, "away", "500")],
        "mirror_contents._END": [(*blob, upload)],
    }
