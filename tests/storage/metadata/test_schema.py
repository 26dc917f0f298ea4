from tests.support.schema import FILE, dump


def test_the_schema_to_read_is_the_one_the_migrations_make(database_url: str) -> None:
    assert FILE.read_text() == dump(database_url), "`make schema` writes it anew"
