"""URLs are remembered for a part of their life, and no longer."""

from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

import pytest

from registry.redirects.rules import Direct, ToS3, ToSecureLink
from registry.redirects.targets import LIFE, REMEMBERED, Redirects, Target
from storage.objects.base import ObjectKey
from storage.objects.memory import MemoryStore

_KEY, _OTHER = ObjectKey("b/00/0011"), ObjectKey("b/00/0022")


class _Clock:
    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


class _Counting:
    """A signing that tells how often it was asked, and has no URL while ``away``."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    def now(self, key: ObjectKey) -> str | None:
        self.asked += 1
        return None if self.away else f"https://cdn/{key}?{self.asked}"

    async def later(self, key: ObjectKey) -> str:
        return f"https://cdn/{key}?later"


def test_a_thousand_nodes_cost_one_signature() -> None:
    clock, signing = _Clock(), _Counting()
    target = Target(ToS3(), signing, clock)
    assert len({target.url_now(_KEY) for _ in range(1000)}) == 1
    assert signing.asked == 1
    assert target.url_now(_OTHER) != target.url_now(_KEY)
    clock.seconds += REMEMBERED
    assert target.url_now(_KEY) == f"https://cdn/{_KEY}?3"


def test_a_clock_that_is_set_back_keeps_no_url() -> None:
    clock, signing = _Clock(), _Counting()
    target = Target(ToS3(), signing, clock)
    target.url_now(_KEY)
    clock.seconds -= 3600
    target.url_now(_KEY)
    assert signing.asked == 2


def test_what_is_remembered_has_a_bound() -> None:
    target = Target(ToS3(), _Counting(), _Clock())
    for number in range(10_000):
        target.url_now(ObjectKey(f"b/{number}"))
        assert len(target._urls) <= 4096


async def test_no_url_at_hand_is_not_remembered() -> None:
    signing = _Counting()
    signing.away = True
    target = Target(ToS3(), signing, _Clock())
    assert target.url_now(_KEY) is None
    assert await target.url(_KEY) == f"https://cdn/{_KEY}?later"
    signing.away = False
    assert target.url_now(_KEY) == f"https://cdn/{_KEY}?3"


@pytest.mark.parametrize("late", [0, 1, 29.9, 59, 60, 61, 3599])
def test_whoever_gets_a_url_has_four_of_its_five_minutes(late: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("keys") / "secret"
    secret.write_text("s" * 40)
    clock = _Clock()
    (target,) = Redirects(
        [ToSecureLink(url="https://cdn.example.com", secret_file=str(secret))], MemoryStore(), clock
    ).targets
    target.url_now(_KEY)
    clock.seconds += late
    url = target.url_now(_KEY)
    assert url is not None
    ends = int(parse_qs(urlsplit(url).query)["expires"][0])
    assert LIFE.total_seconds() - REMEMBERED - 1 < ends - clock.seconds <= LIFE.total_seconds()


def test_the_first_rule_that_matches_holds() -> None:
    redirects = Redirects(
        [
            Direct(user_agents=["ollama/*"]),
            ToS3(networks=["10.0.0.0/8", "fd00::/8"], endpoint="http://s3.internal"),
            Direct(),
        ],
        MemoryStore(),
        _Clock(),
    )

    def chosen(address: str | None, agent: str) -> int:
        return redirects.targets.index(redirects.target(None if address is None else ip_address(address), agent))

    assert chosen("10.1.2.3", "ollama/0.5") == 0
    assert chosen("10.1.2.3", "containerd/2.1") == 1
    assert chosen("fd00::5", "") == 1
    assert chosen("192.0.2.1", "containerd/2.1") == 2
    assert chosen(None, "containerd/2.1") == 2
