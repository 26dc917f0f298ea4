"""The local disk keeps to the same suite as S3, and to what its own docstring says."""

import asyncio
import os
import resource
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from storage.errors import ObjectCorrupt, ObjectNotFound, Unavailable, UploadGone
from storage.objects.base import MIN_PART_BYTES, MultipartId, ObjectKey, ObjectStore, Part, Span
from storage.objects.local.store import LocalSettings, LocalStore
from tests.storage.objects.conformance import (
    ManyObjects,
    Multipart,
    WholeObjects,
    filled,
    joined,
    listed,
    new_key,
    put_parts,
    read,
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStore]:
    async with LocalStore.open(LocalSettings(tmp_path)) as opened:
        yield opened


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[LocalStore]:
    """What another process of the node has."""
    async with LocalStore.open(LocalSettings(tmp_path)) as opened:
        yield opened


class TestWholeObjects(WholeObjects): ...


class TestManyObjects(ManyObjects): ...


class TestMultipart(Multipart): ...


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def _modes(root: Path) -> set[tuple[bool, int]]:
    """Of directories and of files."""
    return {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in root.rglob("*")}


def _draft(root: Path) -> Path:
    (found,) = _files(root / "uploads")
    return found


@contextmanager
def _full_disk(file_bytes: int) -> Iterator[None]:
    """No file gets longer than this: to a writer the same as a disk that fills up in the middle of a write."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_it_has_no_urls(store: ObjectStore) -> None:
    assert await store.presign(new_key(), ttl=timedelta(minutes=5), content_type="text/plain") is None


async def test_the_kernel_finds_the_bytes(store: LocalStore) -> None:
    key, data = new_key(), os.urandom(3_000_000)
    await store.put(key, [data])
    async with store.reader(key, Span(1_000_001, 2_000_003)) as reader:
        source = reader.source()
        assert source is not None
        assert source.offset == 1_000_001
        assert os.pread(source.fd, source.left, source.offset) == data[1_000_001:2_000_003]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a//b", "a/./b", "..", ".", "", "a/"])
async def test_no_key_leads_out_of_the_directory(store: LocalStore, tmp_path: Path, name: str) -> None:
    key = ObjectKey(name)
    with pytest.raises(ValueError, match="elsewhere"):
        await store.put(key, [b"x"])
    with pytest.raises(ValueError, match="elsewhere"):
        await read(store, key)
    with pytest.raises(ValueError, match="elsewhere"):
        await store.stat(key)
    with pytest.raises(ValueError, match="elsewhere"):
        await store.delete([key])
    upload = await store.create(key)
    with pytest.raises(ValueError, match="elsewhere"):
        await store.complete(key, upload, await put_parts(store, key, upload, [1]))
    await store.abort(key, upload)
    assert _files(tmp_path) == []


async def test_no_upload_id_leads_out_of_the_directory(store: LocalStore) -> None:
    for upload in ("../objects", "/etc/passwd", "..", "x/../../y"):
        with pytest.raises(UploadGone):
            await store.put_part(new_key(), MultipartId(upload), 1, [b"x"])


async def test_a_directory_is_no_object(store: LocalStore) -> None:
    key = new_key()
    await store.put(key, [b"x"])
    folder = ObjectKey(key.partition("/")[0])
    for wrong in (folder, ObjectKey(f"{key}/below")):
        with pytest.raises(ObjectNotFound):
            await read(store, wrong)
        with pytest.raises(ObjectNotFound):
            await store.stat(wrong)
        await store.delete([wrong])
    assert await read(store, key) == b"x"


async def test_nobody_else_reads_it(store: LocalStore, tmp_path: Path) -> None:
    await store.put(new_key("a/b"), [b"x"])
    await store.create(new_key())
    assert _modes(tmp_path) == {(True, 0o700), (False, 0o600)}


async def test_parts_are_not_copied(store: LocalStore, tmp_path: Path) -> None:
    key = new_key()
    upload = await store.create(key)
    parts = await put_parts(store, key, upload, list(range(1, 9)))
    written = _draft(tmp_path).stat().st_ino
    await store.complete(key, upload, parts)
    assert [path.stat().st_ino for path in _files(tmp_path)] == [written]
    assert await read(store, key) == joined(range(1, 9))


async def test_any_process_goes_on(store: LocalStore, other: LocalStore, tmp_path: Path) -> None:
    key = new_key()
    upload = await store.create(key)
    turns = [(1, store), (2, other), (3, other), (4, store)]
    parts = [await at.put_part(key, upload, number, filled(number)) for number, at in turns]
    written = _draft(tmp_path).stat().st_ino
    sizes = await asyncio.gather(*(at.complete(key, upload, parts) for at in (other, store)), return_exceptions=True)
    assert 4 * MIN_PART_BYTES in sizes  # a second one at the same instant may be told to come again
    assert await store.complete(key, upload, parts) == 4 * MIN_PART_BYTES
    assert [path.stat().st_ino for path in _files(tmp_path)] == [written]
    assert await read(other, key) == joined([1, 2, 3, 4])


async def test_a_writer_that_stood_still_changes_nothing(store: LocalStore, other: LocalStore, tmp_path: Path) -> None:
    """Its part was never recorded: another process sent the bytes again, and the upload was completed."""
    key = new_key()
    upload = await store.create(key)
    parts = [await store.put_part(key, upload, 1, filled(1))]
    late = await store.put_part(key, upload, 2, filled(2))
    parts.append(await other.put_part(key, upload, 3, filled(3)))
    with _draft(tmp_path).open("r+b") as held:
        await other.complete(key, upload, parts)
        held.seek(MIN_PART_BYTES)
        held.write(b"late" * (late.size // 4))
        held.seek(3 * MIN_PART_BYTES)
        held.write(b"late")
    with pytest.raises(UploadGone):
        await store.put_part(key, upload, 4, filled(4))
    assert len(_files(tmp_path)) == 1
    assert await read(store, key) == joined([1, 3])


async def test_a_part_is_what_was_acknowledged(store: LocalStore, tmp_path: Path) -> None:
    key = new_key()
    upload = await store.create(key)
    first, second = await put_parts(store, key, upload, [1, 2])
    wrong = [Part(1, first.etag, first.size - 1), Part(1, second.etag, second.size), Part(1, '"x"', first.size)]
    for part in wrong:
        with pytest.raises(ObjectCorrupt):
            await store.complete(key, upload, [part, second])
    os.truncate(_draft(tmp_path), 2 * MIN_PART_BYTES - 1)
    with pytest.raises(ObjectCorrupt):
        await store.complete(key, upload, [first, second])
    with pytest.raises(ObjectNotFound):
        await store.stat(key)


async def test_what_is_cancelled_touches_nothing_any_more(store: LocalStore, tmp_path: Path) -> None:
    """Its memory is the next upload's."""
    key, memory = new_key(), bytearray(b"a") * 16_000_000
    writing = asyncio.create_task(store.put(key, [memoryview(memory)]))  # noqa: TID251 - to be cancelled
    while not _files(tmp_path):  # noqa: ASYNC110 - nobody tells when a file is there
        await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    memory[:] = b"b" * len(memory)
    (found,) = _files(tmp_path)
    assert found.read_bytes() == b"a" * len(memory)


async def test_what_a_dead_process_left_is_listed(store: LocalStore, tmp_path: Path) -> None:
    key = new_key("100%2F@x")
    upload = await store.create(key)
    (info,) = await listed(store.uploads(key))
    assert (info.key, info.multipart) == (key, upload)
    (tmp_path / "uploads" / "lost+found").mkdir()
    (tmp_path / "uploads" / "notes@home").touch()
    assert len(await listed(store.uploads(""))) == 1


async def test_a_full_disk_refuses_an_object(store: LocalStore, tmp_path: Path) -> None:
    key = new_key()
    with _full_disk(1_000_000), pytest.raises(Unavailable, match="the disk of the objects: "):
        await store.put(key, [bytes(3_000_000)])
    assert _files(tmp_path) == []
    await store.put(key, [b"now"])
    assert await read(store, key) == b"now"


async def test_after_a_full_disk_an_upload_goes_on(store: LocalStore, tmp_path: Path) -> None:
    key = new_key()
    upload = await store.create(key)
    parts = [await store.put_part(key, upload, 1, filled(1))]
    with _full_disk(MIN_PART_BYTES + 1_000_000):
        for number in (2, 3):
            with pytest.raises(Unavailable):
                await store.put_part(key, upload, number, filled(number))
    assert _draft(tmp_path).stat().st_size == MIN_PART_BYTES
    parts.append(await store.put_part(key, upload, 4, filled(4)))
    written = _draft(tmp_path).stat().st_ino
    await store.complete(key, upload, parts)
    assert await read(store, key) == joined([1, 4])
    assert _files(tmp_path)[0].stat().st_ino == written


async def test_a_directory_that_went_away(store: LocalStore, tmp_path: Path) -> None:
    await store.ping()
    (tmp_path / "uploads").rename(tmp_path / "elsewhere")
    with pytest.raises(Unavailable):
        await store.ping()
    with pytest.raises(Unavailable):
        await store.put(new_key(), [b"x"])


async def test_it_needs_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(Unavailable, match=f"^{path} cannot be used for objects: N"):
            async with LocalStore.open(LocalSettings(path)):
                pass
