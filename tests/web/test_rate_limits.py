"""The rate limits of an account on the page of its profile."""

from tests.support.people import browser
from tests.support.server import Registry, running

PROFILE = "/settings/profile"


async def test_a_profile_tells_what_is_left_of_the_limits_of_the_account(env: dict[str, str]) -> None:
    limits = {"MOORAGE_LIMITS": "account-pulls=100/6h, token-pulls=10/1h, account-requests=5000/1h"}
    async with running({**env, **limits}) as registry:
        alice = await browser(registry, "alice")
        token = await registry.token("alice")
        await registry.push_image("alice/app", "v1", token)
        for _ in range(3):
            assert (await registry.call("GET", "/v2/alice/app/manifests/v1", token)).status == 200
        page = (await alice.get(PROFILE)).text
        assert "Rate limits" in page
        assert "100/6h" in page.split("Pulls", 1)[1]
        assert "97" in page.split("100/6h", 1)[1].split("Requests of the API", 1)[0]
        assert "5,000" in page.split("5000/1h", 1)[1]
        assert "10/1h" not in page, "that of a token alone is not the account's"


async def test_without_limits_a_profile_tells_of_none(registry: Registry) -> None:
    assert "Rate limits" not in (await (await browser(registry, "alice")).get(PROFILE)).text
