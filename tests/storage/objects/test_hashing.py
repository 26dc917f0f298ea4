"""The resumable hash equals hashlib's, wherever it is cut and whoever goes on."""

import hashlib
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.objects.hashing import BACKENDS, Algorithm, Backend, ResumableHash

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
algorithms = st.sampled_from(ALGORITHMS)
backends = st.sampled_from(BACKENDS)


def resumed(algorithm: Algorithm, data: bytes, cuts: list[int], order: list[Backend]) -> str:
    """The digest of ``data`` when each piece is hashed by the next backend of ``order``, from bytes alone."""
    state = ResumableHash(algorithm, order[0]).state()
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for turn, (start, stop) in enumerate(pairwise(bounds)):
        running = ResumableHash.restore(state, order[turn % len(order)])
        running.update(memoryview(data)[start:stop])
        state = running.state()
    return ResumableHash.restore(state, order[-1]).hexdigest()


def test_a_state_of_a_former_release_is_taken_up() -> None:
    """Saved with OpenSSL's libcrypto by release 0.1: an upload goes on across the upgrade."""
    state = bytes.fromhex(
        "5348320101e4afe816c11ca3c57c69b2c9ac8d76f295f6f392b8b7be6c4878a85641dea10e00000000000000486d6f6f7261676520"
    )
    for backend in BACKENDS:
        running = ResumableHash.restore(state, backend)
        running.update(b"anchor")
        assert running.hexdigest() == hashlib.sha256(b"moorage " * 9 + b"anchor").hexdigest()


@settings(max_examples=200)
@given(
    algorithm=algorithms,
    data=st.binary(max_size=700),
    cuts=st.lists(st.integers(0, 700), max_size=6),
    order=st.lists(backends, min_size=1, max_size=4),
)
def test_any_split_over_any_backends_equals_hashlib(
    algorithm: Algorithm, data: bytes, cuts: list[int], order: list[Backend]
) -> None:
    assert resumed(algorithm, data, cuts, order) == hashlib.new(algorithm, data).hexdigest()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("first", BACKENDS, ids=lambda b: b.name)
@pytest.mark.parametrize("second", BACKENDS, ids=lambda b: b.name)
def test_every_cut_of_three_blocks_converts(algorithm: Algorithm, first: Backend, second: Backend) -> None:
    data = bytes(range(256)) + bytes(200)
    expected = hashlib.new(algorithm, data).hexdigest()
    for cut in range(len(data) + 1):
        assert resumed(algorithm, data, [cut], [first, second]) == expected, cut


@settings(max_examples=50)
@given(algorithm=algorithms, data=st.binary(max_size=400))
def test_backends_save_the_same_bytes(algorithm: Algorithm, data: bytes) -> None:
    states = set()
    for backend in BACKENDS:
        running = ResumableHash(algorithm, backend)
        running.update(data)
        states.add(running.state())
    assert len(states) == 1


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda b: b.name)
def test_a_digest_does_not_end_the_hash(backend: Backend) -> None:
    running = ResumableHash("sha256", backend)
    running.update(b"a" * 100)
    assert running.hexdigest() == running.hexdigest() == hashlib.sha256(b"a" * 100).hexdigest()
    running.update(b"b")
    assert running.hexdigest() == hashlib.sha256(b"a" * 100 + b"b").hexdigest()


def test_lengths_beyond_32_bits_are_kept() -> None:
    """Five GiB were hashed before: every backend pads with the same length."""
    running = ResumableHash("sha256")
    running.update(b"x" * 64)
    state = bytearray(running.state())
    state[-8:] = (5 << 30).to_bytes(8, "big")
    digests = {ResumableHash.restore(bytes(state), backend).hexdigest() for backend in BACKENDS}
    assert len(digests) == 1
    assert ResumableHash.restore(bytes(state)).state() == bytes(state)


@given(state=st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda tail: b"SH2\x01\x01" + tail)))
def test_bad_states_are_refused(state: bytes) -> None:
    try:
        restored = ResumableHash.restore(state)
    except ValueError:
        return
    assert restored.state() == state


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_state_cut_anywhere_or_longer_is_refused(algorithm: Algorithm) -> None:
    running = ResumableHash(algorithm)
    running.update(b"x" * 100)
    state = running.state()
    for bad in [*(state[:size] for size in range(len(state))), state + b"\0", b"SH2\x02" + state[4:]]:
        with pytest.raises(ValueError, match="hash"):
            ResumableHash.restore(bad)


def test_other_algorithms_are_refused() -> None:
    with pytest.raises(ValueError, match="md5"):
        ResumableHash("md5")  # type: ignore[arg-type]
