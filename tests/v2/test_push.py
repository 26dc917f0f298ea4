"""A push and a pull, as docker does them."""

from tests.support.server import Registry


async def test_an_image_comes_back_as_it_was_pushed(registry: Registry) -> None:
    token = await registry.user("alice")
    digest = await registry.push_image("alice/app", "v1", token, layers=2, size=100_000)
    pulled = await registry.call("GET", "/v2/alice/app/manifests/v1", token)
    assert pulled.status == 200
    assert pulled.headers["Docker-Content-Digest"] == digest
    assert pulled.headers["Content-Type"] == "application/vnd.oci.image.manifest.v1+json"


async def test_a_package_is_private_at_first(registry: Registry) -> None:
    alice, mallory = await registry.user("alice"), await registry.user("mallory")
    await registry.push_image("alice/app", "v1", alice)
    missing = await registry.call("GET", "/v2/alice/none/manifests/v1", mallory)
    hidden = await registry.call("GET", "/v2/alice/app/manifests/v1", mallory)
    assert (hidden.status, hidden.code) == (404, "NAME_UNKNOWN")
    assert hidden.body == missing.body.replace(b"alice/none", b"alice/app")
    assert (await registry.call("GET", "/v2/alice/app/manifests/v1")).status == 401
