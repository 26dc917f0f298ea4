"""What no server here can be made to show: an old PostgreSQL, another encoding; and how addresses are read."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from registry.config import Settings
from registry.doctor.front import address_of
from registry.doctor.postgres import judge
from registry.doctor.redirects import outside
from registry.doctor.report import Mark
from storage.metadata.examination import Examined, Facts

_FACTS = Facts(
    version="18.4", number=180_004, database="moorage", role="moorage", schema="public", read_only=False, may_create=True,
    encoding="UTF8", tables=43, closed=[], foreign=[], has_migrations=True, connections=97, taken=3, now=datetime.now(UTC),
)  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "cure"),
    [
        (replace(_FACTS, version="13.22", number=130_022), "upgrade PostgreSQL to 14"),
        (replace(_FACTS, encoding="SQL_ASCII"), "ENCODING 'UTF8'"),
        (replace(_FACTS, schema=None), "GRANT USAGE, CREATE ON SCHEMA public TO moorage"),
    ],
)
def test_a_wrong_postgres(facts: Facts, cure: str) -> None:
    found = [check for check in judge(Examined(facts, 0.0, [], []), None) if check.mark is not Mark.RIGHT]
    assert [cure in check.cure for check in found] == [True]
    assert {check.mark for check in judge(Examined(_FACTS, 0.0, [], []), None)} == {Mark.RIGHT}


@pytest.mark.parametrize(("seconds", "told"), [(60.0, "60 s ahead of"), (-60.0, "60 s behind")])
def test_a_clock_of_postgres(seconds: float, told: str) -> None:
    (found,) = [check for check in judge(Examined(_FACTS, seconds, [], []), None) if check.mark is Mark.WRONG]
    assert told in found.told


@pytest.mark.parametrize(
    ("asked", "public", "listen", "origin"),
    [
        ("registry.example", "", "", "https://registry.example"),
        ("http://Registry.example:80/", "", "", "http://registry.example"),
        (None, "https://registry.example:443", "", "https://registry.example"),
        (None, "", "0.0.0.0:5000", "http://127.0.0.1:5000"),
        (None, "", "[::]:5000", "http://[::1]:5000"),
    ],
)
def test_the_address_that_is_asked(asked: str | None, public: str, listen: str, origin: str) -> None:
    env = {
        "MOORAGE_DATABASE_URL": "postgresql://u:p@db/moorage", "MOORAGE_S3_BUCKET": "b", "MOORAGE_SECRET_KEY": "k" * 32,
        "MOORAGE_PUBLIC_URL": public, "MOORAGE_LISTEN": listen,
    }  # fmt: skip
    assert address_of(Settings.from_env(env), asked) == origin


@pytest.mark.parametrize(
    ("origin", "front", "marks"),
    [
        ("https://s3.example", "https://registry.example", []),
        ("http://localhost:9000", "https://registry.example", [Mark.WRONG]),
        ("http://127.0.0.1:9000", "http://127.0.0.1:5000", []),
        ("http://minio:9000", "https://registry.example", [Mark.HINT]),
        ("http://10.0.0.7:9000", "https://registry.example", [Mark.HINT]),
        ("http://10.0.0.7:9000", "http://10.0.0.8:5000", []),
        ("http://s3.example", "https://registry.example", [Mark.HINT]),
    ],
)
def test_whether_clients_reach_what_they_are_sent_to(origin: str, front: str, marks: list[Mark]) -> None:
    found = outside(origin, front)
    assert [check.mark for check in found] == marks
    assert all("MOORAGE_S3_PUBLIC_ENDPOINT" in check.cure for check in found)
