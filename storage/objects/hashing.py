"""Resumable SHA-2: the hash state is saved in one process and restored in another.

``hashlib`` cannot tell its state. The wheel ``rehashes`` can; it is made for Linux, and on macOS the compression runs
in CommonCrypto, whose context is plain memory. Either is tried when this module is imported, with a known digest and
with a save and restore in the middle of a block.

The state is ours and the same for all of them (FIPS 180-4's variables, big-endian), so that a replica on another
machine, with another library, can restore it:

    ``SH2`` | version 1 | algorithm 1 | h[0..7] | length in bytes, 8 bytes | the bytes after the last whole block

77 to 140 bytes for sha256, 77 to 204 for sha512.
"""

import ctypes
import hashlib
import importlib
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, Self

Algorithm = Literal["sha256", "sha512"]

_MAGIC: Final = b"SH2\x01"
_LENGTH_MAX: Final = 1 << 61  # the length in bits has 64 bits (FIPS 180-4 §5.1.1); more than any object


@dataclass(frozen=True, slots=True)
class _Shape:
    """The layout of an algorithm's state: sizes in bytes, ``word`` as a ``struct`` code."""

    code: int
    block: int
    word: str
    digest: int

    def words(self, order: str) -> struct.Struct:
        return struct.Struct(f"{order}8{self.word}")


_SHAPES: Final[dict[Algorithm, _Shape]] = {
    "sha256": _Shape(code=1, block=64, word="I", digest=32),
    "sha512": _Shape(code=2, block=128, word="Q", digest=64),
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after the last whole block, and the bytes of the unfinished block; ``length`` in bytes, of all."""

    words: tuple[int, ...]
    length: int
    tail: bytes

    def encode(self, algorithm: Algorithm) -> bytes:
        shape = _SHAPES[algorithm]
        head = _MAGIC + bytes((shape.code,)) + shape.words(">").pack(*self.words)
        return head + self.length.to_bytes(8, "big") + self.tail

    @classmethod
    def decode(cls, state: bytes) -> tuple[Algorithm, Self]:
        """Decode a state that ``encode`` returned. Raises ValueError for anything else."""
        for algorithm, shape in _SHAPES.items():
            prefix = _MAGIC + bytes((shape.code,))
            if state.startswith(prefix):
                return algorithm, cls._decode_body(shape, state[len(prefix) :])
        raise ValueError(f"expected the state of a hash, got {len(state)} bytes that do not begin like one")

    @classmethod
    def _decode_body(cls, shape: _Shape, body: bytes) -> Self:
        words = shape.words(">")
        if len(body) < words.size + 8:
            raise ValueError(f"the state of a hash is cut off: {len(body)} bytes")
        length = int.from_bytes(body[words.size : words.size + 8], "big")
        tail = body[words.size + 8 :]
        if length >= _LENGTH_MAX or len(tail) != length % shape.block:
            raise ValueError(f"the state of a hash does not add up: {length} bytes hashed, {len(tail)} left over")
        return cls(words.unpack_from(body), length, tail)


class Running(Protocol):
    """A running computation in some library."""

    def update(self, data: bytes | memoryview) -> None: ...  # not empty; a view of what can be written to
    def save(self) -> Snapshot: ...
    def hexdigest(self) -> str: ...  # of the bytes so far; more may follow


class Backend(Protocol):
    """A library that computes SHA-2 with a state that can be read and written."""

    @property
    def name(self) -> str: ...
    def start(self, algorithm: Algorithm) -> Running: ...
    def resume(self, algorithm: Algorithm, snapshot: Snapshot) -> Running: ...


@dataclass(frozen=True, slots=True)
class _Layout:
    """The layout of a C library's context: offsets and ``size`` in bytes, integers in the machine's byte order."""

    size: int
    words: int
    length: int
    tail: int
    length_unit: int  # the length is counted in this many bits


_COMMONCRYPTO: Final[dict[Algorithm, _Layout]] = {  # <CommonCrypto/CommonDigest.h>: CC_SHA256_CTX, CC_SHA512_CTX
    "sha256": _Layout(size=104, words=8, length=0, tail=40, length_unit=8),
    "sha512": _Layout(size=208, words=16, length=0, tail=80, length_unit=8),
}
_UPDATE_MAX: Final = 1 << 30  # CommonCrypto takes the size of one update as 32 bits


@dataclass(frozen=True, slots=True)
class _Functions:
    init: Callable[..., int]
    update: Callable[..., int]
    final: Callable[..., int]


class _ContextRunning:
    """A hash context in C memory; ctypes releases the GIL during each call."""

    __slots__ = ("_algorithm", "_context", "_functions", "_layout")

    def __init__(self, algorithm: Algorithm, layout: _Layout, functions: _Functions) -> None:
        self._algorithm: Algorithm = algorithm
        self._layout = layout
        self._functions = functions
        self._context = ctypes.create_string_buffer(layout.size + 64)  # room for a library that writes past its struct
        _check(functions.init(self._context))

    def update(self, data: bytes | memoryview) -> None:
        if len(data) <= _UPDATE_MAX:
            where = data if isinstance(data, bytes) else ctypes.byref(ctypes.c_char.from_buffer(data))
            _check(self._functions.update(self._context, where, len(data)))
            return
        for start in range(0, len(data), _UPDATE_MAX):
            self.update(data[start : start + _UPDATE_MAX])

    def save(self) -> Snapshot:
        layout, shape, raw = self._layout, _SHAPES[self._algorithm], self._context.raw
        length = int.from_bytes(raw[layout.length : layout.length + 8], sys.byteorder) * layout.length_unit // 8
        tail = raw[layout.tail : layout.tail + length % shape.block]
        return Snapshot(shape.words("=").unpack_from(raw, layout.words), length, tail)

    def load(self, snapshot: Snapshot) -> None:
        layout, shape = self._layout, _SHAPES[self._algorithm]
        shape.words("=").pack_into(self._context, layout.words, *snapshot.words)
        struct.pack_into("=Q", self._context, layout.length, snapshot.length * 8 // layout.length_unit)
        ctypes.memmove(ctypes.addressof(self._context) + layout.tail, snapshot.tail, len(snapshot.tail))

    def hexdigest(self) -> str:
        last = ctypes.create_string_buffer(self._context.raw, len(self._context))  # final() spoils what it is given
        digest = ctypes.create_string_buffer(_SHAPES[self._algorithm].digest)
        _check(self._functions.final(digest, last))
        return digest.raw.hex()


def _check(returned: int) -> None:
    if returned != 1:
        raise RuntimeError(f"the hash library answered {returned}")


class _ContextBackend:
    """CommonCrypto of macOS, by ctypes."""

    name = "commoncrypto"

    def __init__(self) -> None:
        """Raises OSError or AttributeError when the library or a function is not there."""
        library = ctypes.CDLL("/usr/lib/libSystem.B.dylib")
        self._functions = {a: self._bind(library, f"CC_{a.upper()}") for a in _COMMONCRYPTO}

    @staticmethod
    def _bind(library: ctypes.CDLL, stem: str) -> _Functions:
        init, update, final = (library[f"{stem}_{verb}"] for verb in ("Init", "Update", "Final"))
        init.argtypes = (ctypes.c_void_p,)
        update.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)
        final.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        return _Functions(init, update, final)

    def start(self, algorithm: Algorithm) -> _ContextRunning:
        return _ContextRunning(algorithm, _COMMONCRYPTO[algorithm], self._functions[algorithm])

    def resume(self, algorithm: Algorithm, snapshot: Snapshot) -> _ContextRunning:
        running = self.start(algorithm)
        running.load(snapshot)
        return running


class _RehashesObject(Protocol):
    def update(self, data: bytes) -> None: ...
    def serialize(self) -> bytes: ...
    def finalize(self) -> str: ...


class _RehashesClass(Protocol):
    def __call__(self) -> _RehashesObject: ...
    def deserialize(self, data: bytes) -> _RehashesObject: ...


#: The wheel takes ``bytes`` only: a part is copied in pieces that stay in the CPU's cache.
_COPY_BYTES: Final = 256 * 1024


class _RehashesRunning:
    """A hash object of the wheel ``rehashes``, which holds the GIL while it computes.

    Its state (0.3): 8 words, the number of whole blocks (8 or 16 bytes), all little-endian; then the length of the
    tail in one byte and room for a tail of a block less one.
    """

    __slots__ = ("_algorithm", "_class", "_object")

    def __init__(self, algorithm: Algorithm, kind: _RehashesClass, state: Snapshot | None) -> None:
        self._algorithm: Algorithm = algorithm
        self._class = kind
        self._object = kind() if state is None else kind.deserialize(self._pack(state))

    def _pack(self, state: Snapshot) -> bytes:
        shape = _SHAPES[self._algorithm]
        blocks = (state.length // shape.block).to_bytes(shape.block // 8, "little")
        tail = bytes((len(state.tail),)) + state.tail.ljust(shape.block - 1, b"\0")
        return shape.words("<").pack(*state.words) + blocks + tail

    def update(self, data: bytes | memoryview) -> None:
        for start in range(0, len(data), _COPY_BYTES):
            self._object.update(bytes(data[start : start + _COPY_BYTES]))

    def save(self) -> Snapshot:
        shape, raw = _SHAPES[self._algorithm], self._object.serialize()
        words = shape.words("<")
        after = words.size + shape.block // 8
        blocks, rest = int.from_bytes(raw[words.size : after], "little"), raw[after]
        return Snapshot(words.unpack_from(raw), blocks * shape.block + rest, raw[after + 1 : after + 1 + rest])

    def hexdigest(self) -> str:
        return self._class.deserialize(self._object.serialize()).finalize()


class _RehashesBackend:
    """The backend of the wheel ``rehashes``: Rust, no library of the system needed."""

    name = "rehashes"

    def __init__(self) -> None:
        """Import the wheel. Raises ImportError when the wheel is not installed (it is made for Linux only)."""
        rehashes = importlib.import_module("rehashes")  # it may be missing, and is then not needed
        self._classes: dict[Algorithm, _RehashesClass] = {"sha256": rehashes.PySha256, "sha512": rehashes.PySha512}

    def start(self, algorithm: Algorithm) -> _RehashesRunning:
        return _RehashesRunning(algorithm, self._classes[algorithm], None)

    def resume(self, algorithm: Algorithm, snapshot: Snapshot) -> _RehashesRunning:
        return _RehashesRunning(algorithm, self._classes[algorithm], snapshot)


def _computes(backend: Backend) -> bool:
    """Test ``backend`` for known digests, also across a save and restore inside a block."""
    data = bytes(range(251)) * 3
    for algorithm in _SHAPES:
        expected = hashlib.new(algorithm, data).hexdigest()
        for cut in (0, 77, 128, 500):
            running = backend.start(algorithm)
            running.update(data[:cut])
            _, snapshot = Snapshot.decode(running.save().encode(algorithm))
            running = backend.resume(algorithm, snapshot)
            running.update(data[cut:])
            if running.save().length != len(data) or running.hexdigest() != expected:
                return False
    return True


def _probe() -> tuple[Backend, ...]:
    found: list[Backend] = []
    for make in (_RehashesBackend, _ContextBackend):
        try:
            backend = make()
            if _computes(backend):
                found.append(backend)
        except (ImportError, OSError, AttributeError, RuntimeError, ValueError):
            continue  # not here, or not what we know it as: the other one
    if not found:
        raise ImportError("no library here computes SHA-2 resumably: install rehashes")
    return tuple(found)


#: The backends that work here, best first.
BACKENDS: Final = _probe()


class ResumableHash:
    """A running SHA-2 with the interface of ``hashlib``, and ``state`` and ``restore``.

    64 KiB take about 40 microseconds, so there is no need of a thread.
    """

    __slots__ = ("_running", "algorithm")

    def __init__(self, algorithm: Algorithm, backend: Backend = BACKENDS[0]) -> None:
        """Start a hash of no bytes. Raises ValueError for an algorithm other than sha256 and sha512."""
        if algorithm not in _SHAPES:
            raise ValueError(f"expected sha256 or sha512, got {algorithm!r}")
        self.algorithm: Algorithm = algorithm
        self._running: Running = backend.start(algorithm)

    @classmethod
    def restore(cls, state: bytes, backend: Backend = BACKENDS[0]) -> Self:
        """Restore a hash from its ``state()``, here or elsewhere. Raises ValueError for anything else."""
        algorithm, snapshot = Snapshot.decode(bytes(state))
        restored = cls(algorithm, backend)
        restored._running = backend.resume(algorithm, snapshot)
        return restored

    def update(self, data: bytes | memoryview) -> None:
        """Hash ``data`` in place; only a read-only view is copied first."""
        if data:
            self._running.update(bytes(data) if isinstance(data, memoryview) and data.readonly else data)

    def state(self) -> bytes:
        """The serialized state of the hash, for ``restore``; see the module."""
        return self._running.save().encode(self.algorithm)

    def hexdigest(self) -> str:
        """The digest of the bytes so far, in lower-case hex; more may follow."""
        return self._running.hexdigest()
