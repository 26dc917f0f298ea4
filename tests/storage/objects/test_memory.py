"""The store of the tests keeps to the same suite as S3."""

from datetime import timedelta

import pytest

from storage.objects.base import ObjectStore
from storage.objects.memory import MemoryStore
from tests.storage.objects.conformance import ManyObjects, Multipart, Store, WholeObjects, new_key


@pytest.fixture
def store() -> Store:
    return MemoryStore()


class TestWholeObjects(WholeObjects): ...


class TestManyObjects(ManyObjects): ...


class TestMultipart(Multipart): ...


async def test_it_has_no_urls() -> None:
    store: ObjectStore = MemoryStore()
    assert await store.presign(new_key(), ttl=timedelta(minutes=5), content_type="text/plain") is None
