"""What every object store keeps to: one suite, run over each of them.

A module that runs it makes a class of each of these and gives a fixture ``store``.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar
from uuid import uuid4

import pytest

from storage.errors import ObjectCorrupt, ObjectNotFound, UploadGone
from storage.objects.base import (
    MIN_PART_BYTES,
    MultipartId,
    MultipartInfo,
    MultipartStore,
    ObjectInfo,
    ObjectKey,
    ObjectStore,
    Part,
    Span,
)

_T = TypeVar("_T")


class Store(ObjectStore, MultipartStore, Protocol):
    """Both at once."""


def new_key(name: str = "object") -> ObjectKey:
    return ObjectKey(f"{uuid4().hex}/{name}")


async def read(store: ObjectStore, key: ObjectKey, span: Span | None = None) -> bytes:
    async with store.reader(key, span) as reader:
        data = b"".join([chunk async for chunk in reader])
        assert reader.size == len(data)
        assert reader.object_size == (await store.stat(key)).size
    return data


async def listed(items: AsyncIterator[_T]) -> list[_T]:
    return [item async for item in items]


def filled(number: int, size: int = MIN_PART_BYTES) -> list[bytes]:
    """A part in pieces of odd sizes, its bytes depending on ``number``."""
    return [bytes([number]) * 1, bytes([number, 255 - number]) * 1000, bytes([number]) * (size - 2001)]


def joined(numbers: Sequence[int]) -> bytes:
    return b"".join(b"".join(filled(number)) for number in numbers)


async def put_parts(store: MultipartStore, key: ObjectKey, upload: MultipartId, numbers: Sequence[int]) -> list[Part]:
    return list(await asyncio.gather(*(store.put_part(key, upload, n, filled(n)) for n in numbers)))


class WholeObjects:
    """``ObjectStore``."""

    async def test_put_is_read_back(self, store: Store) -> None:
        key = new_key()
        await store.put(key, [b"ab", b"", b"cde"])
        assert await read(store, key) == b"abcde"

    async def test_several_mebibytes_in_pieces(self, store: Store) -> None:
        key, pieces = new_key(), [bytes([n]) * (700_001 + n) for n in range(4)]
        await store.put(key, pieces)
        assert await read(store, key) == b"".join(pieces)

    @pytest.mark.parametrize("pieces", [[], [b""], [b"", b""]])
    async def test_empty_object(self, store: Store, pieces: list[bytes]) -> None:
        key = new_key()
        await store.put(key, pieces)
        assert await read(store, key) == b""
        assert await read(store, key, Span(0, 0)) == b""
        assert (await store.stat(key)).size == 0

    @pytest.mark.parametrize(
        ("start", "stop"), [(0, 1), (0, 10), (3, 7), (9, 10), (10, 10), (0, 0), (4, 4), (2, 10)], ids=str
    )
    async def test_spans_are_half_open(self, store: Store, start: int, stop: int) -> None:
        key = new_key()
        await store.put(key, [b"0123456789"])
        assert await read(store, key, Span(start, stop)) == b"0123456789"[start:stop]

    @pytest.mark.parametrize("span", [Span(5, 11), Span(10, 11), Span(20, 30), Span(20, 20)], ids=str)
    async def test_a_span_past_the_end_is_no_short_read(self, store: Store, span: Span) -> None:
        key = new_key()
        await store.put(key, [b"0123456789"])
        with pytest.raises(ObjectCorrupt):
            await read(store, key, span)

    async def test_a_span_of_a_large_object(self, store: Store) -> None:
        key, data = new_key(), bytes(range(256)) * 12_000
        await store.put(key, [data])
        assert await read(store, key, Span(1_000_001, 2_000_003)) == data[1_000_001:2_000_003]

    @pytest.mark.parametrize("span", [None, Span(0, 1), Span(0, 0)], ids=str)
    async def test_nothing_is_found_where_nothing_is(self, store: Store, span: Span | None) -> None:
        with pytest.raises(ObjectNotFound):
            await read(store, new_key(), span)
        with pytest.raises(ObjectNotFound):
            await store.stat(new_key())

    @pytest.mark.parametrize(
        "name", ["schlüssel", "日本語/☃", "a b+c", "100%25", "q?x=1&y=2#z", "a=b;c,d", "~._-", "'(!*)"]
    )
    async def test_odd_keys(self, store: Store, name: str) -> None:
        key = new_key(name)
        await store.put(key, [name.encode()])
        assert await read(store, key) == name.encode()
        assert (await store.stat(key)).size == len(name.encode())
        assert [found.key for found in await listed(store.scan(key.partition("/")[0]))] == [key]
        await store.delete([key])
        with pytest.raises(ObjectNotFound):
            await store.stat(key)

    async def test_stat_tells_size_and_time(self, store: Store) -> None:
        key = new_key()
        await store.put(key, [b"abc"])
        found = await store.stat(key)
        assert (found.key, found.size) == (key, 3)
        assert abs(found.modified - datetime.now(UTC)) < timedelta(minutes=1)

    async def test_a_reader_may_be_left_early(self, store: Store) -> None:
        key = new_key()
        await store.put(key, [bytes(3_000_000)])
        for _ in range(3):
            async with store.reader(key) as reader:
                async for _chunk in reader:
                    break
        assert len(await read(store, key)) == 3_000_000

    async def test_delete_is_idempotent(self, store: Store) -> None:
        kept, gone = new_key("kept"), new_key("gone")
        await store.put(kept, [b"1"])
        await store.put(gone, [b"2"])
        await store.delete([])
        for _ in range(2):
            await store.delete([gone, new_key("never")])
        assert await read(store, kept) == b"1"
        with pytest.raises(ObjectNotFound):
            await store.stat(gone)

    async def test_scan_knows_its_prefix(self, store: Store) -> None:
        prefix = f"{uuid4().hex}/"
        keys = [ObjectKey(f"{prefix}{name}") for name in ("b", "a/2", "a/1", "c")]
        for key in [*keys, ObjectKey(f"x{prefix}d")]:
            await store.put(key, [b"xy"])
        found = await listed(store.scan(prefix))
        assert [info.key for info in found] == sorted(keys)
        assert {info.size for info in found} == {2}
        assert [info.key for info in await listed(store.scan(prefix + "a/"))] == sorted(keys)[:2]
        assert await listed(store.scan(prefix + "none")) == []


class ManyObjects:
    """Pages and batches; slow over a server that writes to a disk."""

    async def test_scan_and_delete_go_beyond_a_page(self, store: Store) -> None:
        prefix = f"{uuid4().hex}/"
        keys = [ObjectKey(f"{prefix}{number:04}") for number in range(1_100)]
        for start in range(0, len(keys), 50):
            await asyncio.gather(*(store.put(key, [b"x"]) for key in keys[start : start + 50]))
        found: list[ObjectInfo] = await listed(store.scan(prefix))
        assert [info.key for info in found] == keys
        await store.delete(keys[:-1])
        assert [info.key for info in await listed(store.scan(prefix))] == keys[-1:]

    async def test_uploads_go_beyond_a_page(self, store: Store) -> None:
        prefix = f"{uuid4().hex}/"
        keys = [ObjectKey(f"{prefix}{number:04}") for number in range(1_010)]
        made: set[tuple[ObjectKey, MultipartId]] = set()
        for start in range(0, len(keys), 50):
            some = keys[start : start + 50]
            made |= set(zip(some, await asyncio.gather(*map(store.create, some)), strict=True))
        found = [(info.key, info.multipart) for info in await listed(store.uploads(prefix))]
        assert len(found) == len(made)
        assert set(found) == made
        for start in range(0, len(keys), 50):
            await asyncio.gather(*(store.abort(key, upload) for key, upload in found[start : start + 50]))
        assert await listed(store.uploads(prefix)) == []


class Multipart:
    """``MultipartStore``."""

    @pytest.mark.parametrize("numbers", [[1], [1, 2, 3], [3, 1, 2], [2, 5, 9], [10, 2]], ids=str)
    async def test_parts_make_an_object_in_the_order_of_their_numbers(self, store: Store, numbers: list[int]) -> None:
        key = new_key()
        upload = await store.create(key)
        parts = [await store.put_part(key, upload, number, filled(number)) for number in numbers]
        with pytest.raises(ObjectNotFound):
            await store.stat(key)
        assert [(part.number, part.size) for part in parts] == [(number, MIN_PART_BYTES) for number in numbers]
        assert await store.complete(key, upload, parts) == len(numbers) * MIN_PART_BYTES
        assert await read(store, key) == joined(sorted(numbers))

    async def test_parts_may_come_at_once(self, store: Store) -> None:
        key = new_key()
        upload = await store.create(key)
        parts = await put_parts(store, key, upload, [4, 2, 1, 3])
        await store.complete(key, upload, parts)
        assert await read(store, key) == joined([1, 2, 3, 4])

    async def test_parts_that_are_not_listed_are_dropped(self, store: Store) -> None:
        """A part that was sent and never recorded, as by a process that died between."""
        key = new_key()
        upload = await store.create(key)
        parts = await put_parts(store, key, upload, [1, 2, 3])
        assert await store.complete(key, upload, [parts[0], parts[2]]) == 2 * MIN_PART_BYTES
        assert await read(store, key) == joined([1, 3])

    async def test_the_last_part_may_be_small(self, store: Store) -> None:
        key = new_key()
        upload = await store.create(key)
        parts = await put_parts(store, key, upload, [1])
        parts.append(await store.put_part(key, upload, 2, [b"x"]))
        assert await store.complete(key, upload, parts) == MIN_PART_BYTES + 1

    async def test_a_small_part_before_the_last_is_refused(self, store: Store) -> None:
        key = new_key()
        upload = await store.create(key)
        parts = [await store.put_part(key, upload, number, [b"small"]) for number in (1, 2)]
        with pytest.raises(ObjectCorrupt):
            await store.complete(key, upload, parts)
        with pytest.raises(ObjectNotFound):
            await store.stat(key)

    async def test_a_part_that_is_not_there_is_refused(self, store: Store) -> None:
        key = new_key()
        upload = await store.create(key)
        parts = await put_parts(store, key, upload, [1])
        with pytest.raises(ObjectCorrupt):
            await store.complete(key, upload, [*parts, Part(2, parts[0].etag, 1)])

    async def test_complete_needs_parts(self, store: Store) -> None:
        key = new_key()
        upload = await store.create(key)
        with pytest.raises(ValueError, match="part"):
            await store.complete(key, upload, [])

    async def test_complete_is_repeatable(self, store: Store) -> None:
        key = new_key()
        upload = await store.create(key)
        parts = await put_parts(store, key, upload, [1, 2])
        for _ in range(2):
            assert await store.complete(key, upload, parts) == 2 * MIN_PART_BYTES
        assert await read(store, key) == joined([1, 2])

    async def test_an_object_of_another_size_is_corrupt(self, store: Store) -> None:
        key = new_key()
        upload = await store.create(key)
        parts = await put_parts(store, key, upload, [1])
        await store.complete(key, upload, parts)
        with pytest.raises(ObjectCorrupt):
            await store.complete(key, upload, [Part(1, parts[0].etag, 7)])

    async def test_abort_is_idempotent_and_final(self, store: Store) -> None:
        key = new_key()
        upload = await store.create(key)
        parts = await put_parts(store, key, upload, [1])
        for _ in range(2):
            await store.abort(key, upload)
        with pytest.raises(UploadGone):
            await store.put_part(key, upload, 2, filled(2))
        with pytest.raises(UploadGone):
            await store.complete(key, upload, parts)
        with pytest.raises(ObjectNotFound):
            await store.stat(key)

    async def test_abort_after_complete_leaves_the_object(self, store: Store) -> None:
        key = new_key()
        upload = await store.create(key)
        await store.complete(key, upload, await put_parts(store, key, upload, [1]))
        await store.abort(key, upload)
        assert await read(store, key) == joined([1])
        with pytest.raises(UploadGone):
            await store.put_part(key, upload, 2, filled(2))

    async def test_abort_of_what_never_was(self, store: Store) -> None:
        await store.abort(new_key(), MultipartId(uuid4().hex))

    async def test_uploads_lists_what_is_open(self, store: Store) -> None:
        prefix = f"{uuid4().hex}/"
        keys = [ObjectKey(f"{prefix}{name}") for name in ("a", "b", "c")]
        made = [await store.create(key) for key in keys]
        await store.put_part(keys[0], made[0], 1, [b"x"])
        await store.abort(keys[2], made[2])
        found: list[MultipartInfo] = await listed(store.uploads(prefix))
        assert {(info.key, info.multipart) for info in found} == {(keys[0], made[0]), (keys[1], made[1])}
        assert all(info.started.tzinfo is not None for info in found)
        assert await listed(store.uploads(prefix + "none")) == []
        for key, upload in zip(keys, made, strict=True):
            await store.abort(key, upload)
