"""Passwords: which may be set, and that hashing them holds nobody up."""

import asyncio
import time
import unicodedata

import pytest

from auth.passwords import Hasher, HashingBusy, PasswordRefused, check_new, outdated

WORDS = ("Alice-Smith", "registry.example.com", "moorage")


@pytest.mark.parametrize(
    "password",
    [
        "violet kettle gravel moon",
        "violetkettlegravel",
        "a" + "bcdefghijklmn" + " zebra tower",
        "x" * 3 + "yellow submarine dance",
        "우리집 강아지는 노란색 우산을 좋아한다",
        "ночной поезд стучит колёсами",
        "🦊🐙🦉🐢🦜🦩🐝🦕🌵🍄🪐🧭🪁🎻🧵",
        "9f8a7c6d5e4b3a2f1c0d",
        "moorage keeps my purple umbrella",
        "violet kettle gravel moon " * 20,
        "              surrounded by blanks   ",
        "}{#~$%&!?)(=^*+-'",
    ],
)
def test_any_text_of_fifteen_code_points_may_be_set(password: str) -> None:
    check_new(password, WORDS)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "short"),
        ("violet kettle", "short"),
        ("가" * 14, "short"),
        (unicodedata.normalize("NFD", "한국어비밀"), "short"),  # five syllables, however they were sent
        ("violet kettle " * 100, "long"),
        ("aaaaaaaaaaaaaaaaaaaa", "repeated"),
        ("abcabcabcabcabcabc", "repeated"),
        ("--------------------", "repeated"),
        ("password password", "repeated"),
        ("correct horse battery staple", "common"),
        ("Correct-Horse-Battery-Staple", "common"),
        ("qwertyuiopasdfgh", "common"),
        ("hgfdsapoiuytrewq", "common"),
        ("0987654321098765", "common"),
        ("Password123456789!", "common"),
        ("AdminAdminRoot2024", "common"),
        ("letmein-letmein-1234", "common"),
        ("alice-smith-12345", "personal"),
        ("AliceSmith!!!!!!!!!!", "personal"),
        ("registry.example.com", "personal"),
        ("moorageMOORAGE-alice", "personal"),
        ("!@#$%^&*()_+{}|:<>?", "common"),
        ("!!!!!!!!------====", "personal"),
    ],
)
def test_what_is_tried_first_is_refused_and_why_is_told(password: str, reason: str) -> None:
    with pytest.raises(PasswordRefused) as refused:
        check_new(password, WORDS)
    assert refused.value.reason == reason
    assert str(refused.value)


async def test_a_hash_is_of_one_password_in_whatever_form_it_was_typed() -> None:
    hasher = Hasher()
    text = "Ünïcødé 비밀번호 für alle"
    hashed = await hasher.hash(text)
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hasher.verify(unicodedata.normalize("NFD", text), hashed)
    assert await hasher.hash(text) != hashed, "each has a salt of its own"
    for other in (text + " ", text[:-1], text.lower(), "", text + "\0"):
        assert not await hasher.verify(other, hashed)
    long = "y" * 72
    assert not await hasher.verify(long, await hasher.hash(long + "z")), "nothing is cut off"


async def test_nobody_has_the_password_of_an_unknown_account() -> None:
    hasher = Hasher()
    assert not await hasher.verify("", None)
    assert not await hasher.verify("anything at all", None)
    assert not await hasher.verify("anything at all", "no hash")


async def test_a_hash_of_other_parameters_is_verified_and_outdated() -> None:
    from argon2 import PasswordHasher  # noqa: PLC0415

    old = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash("violet kettle gravel")
    assert outdated(old)
    assert await Hasher().verify("violet kettle gravel", old)
    assert not outdated(await Hasher().hash("violet kettle gravel"))


async def test_s37_a_huge_password_is_wrong_without_being_hashed() -> None:
    hasher = Hasher()
    hashed = await hasher.hash("violet kettle gravel")
    assert not await hasher.verify("x" * 1_000_000, hashed)


@pytest.mark.alone
async def test_hashing_leaves_the_loop_alone_and_has_a_bound() -> None:
    hasher = Hasher(waiting_max=6)
    await hasher.hash("violet kettle gravel")  # the import
    worst, ended = 0.0, asyncio.Event()

    async def beat() -> None:
        nonlocal worst
        while not ended.is_set():
            before = time.monotonic()
            await asyncio.sleep(0.005)
            worst = max(worst, time.monotonic() - before)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(beat())
        hashing = [tasks.create_task(hasher.hash("violet kettle gravel")) for _ in range(6)]
        await asyncio.sleep(0)
        with pytest.raises(HashingBusy):
            await hasher.hash("one too many")
        await asyncio.gather(*hashing)
        ended.set()
    assert worst < 0.25
    assert await hasher.hash("violet kettle gravel"), "it takes passwords again"
