"""Our suite of object stores over the S3 servers that people have."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from storage.errors import Unavailable
from storage.objects.s3.signing import Credentials
from storage.objects.s3.store import S3Settings, S3Store
from tests.storage.objects.conformance import ManyObjects, Multipart, WholeObjects

pytestmark = [pytest.mark.stores, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(server: S3Settings) -> AsyncIterator[S3Store]:
    async with S3Store.open(server) as opened:
        await opened.ensure_bucket()
        yield opened


class TestWholeObjects(WholeObjects): ...


class TestMultipart(Multipart): ...


class TestManyObjects(ManyObjects): ...


class TestWhatIsWrong:
    """The bucket and the key: what an operator gets wrong first, and has to be told."""

    async def test_a_bucket_that_is_missing_is_named(self, server: S3Settings, store: S3Store) -> None:
        await store.ping()
        async with S3Store.open(replace(server, bucket="no-such-bucket")) as other:
            with pytest.raises(Unavailable, match="NoSuchBucket"):
                await other.ping()

    @pytest.mark.parametrize("wrong", ["secret", "key"])
    async def test_a_wrong_key_is_told_from_a_missing_bucket(
        self, server: S3Settings, store: S3Store, wrong: str
    ) -> None:
        await store.ping()
        given = server.credentials
        assert given is not None
        changed = (
            Credentials(given.access_key, "x" * 40) if wrong == "secret" else Credentials("nobody", given.secret_key)
        )
        async with S3Store.open(replace(server, credentials=changed)) as other:
            with pytest.raises(Unavailable) as caught:
                await other.ping()
        assert "the credentials are refused" in str(caught.value)
        assert "NoSuchBucket" not in str(caught.value)
