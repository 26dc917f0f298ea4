"""The suite over a real S3 server, and what only S3 has: URLs, buckets, many pages."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from storage.errors import Unavailable
from storage.objects.base import ObjectKey
from storage.objects.s3.signing import Credentials
from storage.objects.s3.store import S3Settings, S3Store
from tests.storage.objects.conformance import ManyObjects, Multipart, Store, WholeObjects, new_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIVE_MINUTES = timedelta(minutes=5)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(weed: S3Settings) -> AsyncIterator[S3Store]:
    async with S3Store.open(weed) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def moto_store(moto: S3Settings) -> AsyncIterator[S3Store]:
    async with S3Store.open(moto) as opened:
        await opened.ensure_bucket()
        yield opened


class TestWholeObjects(WholeObjects): ...


class TestMultipart(Multipart): ...


class TestManyObjects(ManyObjects): ...


async def test_it_is_both_protocols(store: S3Store) -> None:
    both: Store = store  # what mypy holds it to
    assert both is store


class TestWholeObjectsInMoto(WholeObjects):
    """A second reading of the S3 API, so that nothing rests on what one server happens to do.

    Not for parts: moto answers 500 to a part of an aborted upload.
    """

    @pytest.fixture
    def store(self, moto_store: S3Store) -> S3Store:
        return moto_store


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key(store: S3Store) -> ObjectKey:
    """Of an object of ten bytes."""
    made = new_key("a b/ü+%")
    await store.put(made, [b"0123456789"])
    return made


class TestPresign:
    """SigV4 in the query, checked by a server that checks it."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def http(self) -> AsyncIterator[aiohttp.ClientSession]:
        async with aiohttp.ClientSession() as session:
            yield session

    async def test_get(self, store: S3Store, key: ObjectKey, http: aiohttp.ClientSession) -> None:
        kind = "application/vnd.oci.image.layer.v1.tar+gzip"
        url = await store.presign(key, ttl=FIVE_MINUTES, content_type=kind)
        async with http.get(URL(url, encoded=True)) as answer:
            assert (answer.status, await answer.read()) == (200, b"0123456789")
            assert answer.headers["Content-Type"] == kind

    async def test_range(self, store: S3Store, key: ObjectKey, http: aiohttp.ClientSession) -> None:
        url = await store.presign(key, ttl=FIVE_MINUTES, content_type="application/octet-stream")
        async with http.get(URL(url, encoded=True), headers={"Range": "bytes=3-5"}) as answer:
            assert (answer.status, await answer.read()) == (206, b"345")

    @pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE"])
    async def test_other_methods_are_refused(
        self, store: S3Store, key: ObjectKey, http: aiohttp.ClientSession, method: str
    ) -> None:
        url = await store.presign(key, ttl=FIVE_MINUTES, content_type="application/octet-stream")
        async with http.request(method, URL(url, encoded=True)) as answer:
            assert answer.status == 403
        assert (await store.stat(key)).size == 10

    @pytest.mark.parametrize(
        ("old", "new"),
        [("%2B%25", "%2B%24"), ("Expires=300", "Expires=301"), ("octet-stream", "pdf"), ("Signature=", "Signature=0")],
    )
    async def test_a_changed_url_is_refused(
        self, store: S3Store, key: ObjectKey, http: aiohttp.ClientSession, old: str, new: str
    ) -> None:
        url = await store.presign(key, ttl=FIVE_MINUTES, content_type="application/octet-stream")
        changed = url.replace(old, new)
        assert changed != url
        async with http.get(URL(changed, encoded=True)) as answer:
            assert answer.status in {403, 400}

    async def test_the_public_endpoint_is_where_clients_go(self, weed: S3Settings) -> None:
        async with S3Store.open(replace(weed, public_endpoint="https://s3.example.org/base")) as store:
            url = URL(await store.presign(new_key(), ttl=FIVE_MINUTES, content_type="text/plain"), encoded=True)
        assert (url.scheme, url.host, url.parts[1:3]) == ("https", "s3.example.org", ("base", weed.bucket))

    async def test_a_ttl_beyond_a_week_is_refused(self, store: S3Store) -> None:
        with pytest.raises(ValueError, match="7 days"):
            await store.presign(new_key(), ttl=timedelta(days=8), content_type="text/plain")


class TestBucket:
    """What is asked as a process starts, and for readiness."""

    async def test_ping(self, store: S3Store) -> None:
        await store.ping()

    async def test_a_missing_bucket_is_made_once(self, weed: S3Settings) -> None:
        async with S3Store.open(replace(weed, bucket="made-by-a-test")) as store:
            with pytest.raises(Unavailable, match="made-by-a-test"):
                await store.ping()
            for _ in range(2):
                await store.ensure_bucket()
            await store.ping()
            await store.put(new_key(), [b"x"])

    async def test_refusals_name_the_bucket_and_no_secret(
        self, weed: S3Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-and-secret")
        async with S3Store.open(weed) as store:
            for call in (store.put(new_key(), [b"x"]), store.create(new_key()), store.ping()):
                with pytest.raises(Unavailable) as caught:
                    await call
                assert weed.bucket in str(caught.value)
                assert "wrong-and-secret" not in f"{caught.value} {caught.value.__cause__}"
            with pytest.raises(Unavailable, match="SignatureDoesNotMatch"):
                await store.put(new_key(), [b"x"])

    async def test_credentials_that_are_given_are_those_that_count(self, weed: S3Settings) -> None:
        given = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])  # noqa: TID251 - of weed
        async with S3Store.open(replace(weed, credentials=given)) as store:
            await store.ping()
        async with S3Store.open(replace(weed, credentials=replace(given, secret_key="wrong"))) as store:
            with pytest.raises(Unavailable, match="SignatureDoesNotMatch"):
                await store.put(new_key(), [b"x"])

    async def test_no_credentials(self, weed: S3Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with pytest.raises(Unavailable, match="credentials"):
            async with S3Store.open(weed):
                pass
