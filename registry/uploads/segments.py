"""The segments of an upload: bytes made durable as objects of their own, too small for a part, to be joined later."""

from registry.uploads.buffer_pool import BufferPool
from registry.uploads.part_buffer import PendingPart
from storage.metadata.uploads import Upload
from storage.objects.base import ObjectKey, ObjectStore, Pieces, whole


class Segments:
    """The segments of an upload in their order, each a key and a size in bytes, for the request that holds ``held``."""

    def __init__(self, held: Upload, store: ObjectStore) -> None:
        self._held = held
        self._store = store
        self._found = list(zip(held.segment_keys, held.segment_sizes, strict=True))
        self._keys_made = 0

    def __len__(self) -> int:
        return len(self._found)

    @property
    def size(self) -> int:
        """The bytes of all segments."""
        return sum(size for _, size in self._found)

    def only(self) -> tuple[ObjectKey, int]:
        """Return the one segment."""
        (one,) = self._found
        return one

    def append(self, key: ObjectKey, size: int) -> None:
        self._found.append((key, size))

    def restart(self, key: ObjectKey, size: int) -> None:
        """Replace the segments by one object that has all the bytes."""
        self._found = [(key, size)]

    async def write(self, pieces: Pieces) -> ObjectKey:
        """Write an object under a unique key: the fence is this request's, and each number is used once in it."""
        self._keys_made += 1
        key = ObjectKey(f"{self._held.object_key}.{self._held.fence}.{self._keys_made}")
        await self._store.put(key, pieces)
        return key

    def take(self) -> list[tuple[ObjectKey, int]]:
        """Take all segments, which are to be read into something else."""
        found, self._found = self._found, []
        return found

    async def put_before(self, pending_part: PendingPart, pool: BufferPool | None) -> None:
        """Prepend the segments to a part: in a slot that the part then owns, or in new memory without ``pool``.

        The part is the caller's to give back, also after an error. Raises as the store's reader.
        """
        if not self._found:
            return
        size = self.size
        if pool is None:
            room = memoryview(bytearray(size))
        else:
            slot = await pool.take()
            pending_part.slots.append(slot)
            room = slot.view
        at = 0
        for key, recorded in self.take():
            async with whole(self._store, key, recorded) as reader:
                async for chunk in reader:
                    room[at : at + len(chunk)] = chunk
                    at += len(chunk)
        pending_part.pieces.insert(0, room[:size])
        pending_part.size += size
