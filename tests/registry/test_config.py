"""The settings: every error at once, and no secret in any of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.config import Settings, SettingsInvalid
from registry.devservers.certificates import write_certificate
from registry.redirects.rules import Direct, Rule, ToS3
from storage.objects.local.store import LocalSettings
from storage.objects.s3.signing import Credentials
from storage.objects.s3.store import S3Settings

GOOD = {
    "MOORAGE_DATABASE_URL": "postgresql://moorage:hunter2@db/moorage",
    "MOORAGE_S3_BUCKET": "layers",
    "MOORAGE_SECRET_KEY": "s" * 40,
}


def errors_of(env: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        Settings.from_env(env)
    assert str(caught.value) == "\n".join(caught.value.errors)
    return caught.value.errors


def test_what_must_be_set_is_little_and_the_rest_has_defaults() -> None:
    settings = Settings.from_env(GOOD)
    assert (settings.host, settings.port) == ("0.0.0.0", 5000)
    assert settings.public_url is None
    assert settings.tls is None
    assert settings.redirects == (ToS3(),)
    assert settings.token_seconds == 300
    assert settings.uploads.layer_limit_bytes == 10 * 1024**3
    assert settings.uploads.upload_seconds == 600
    assert (settings.http.head_seconds, settings.http.idle_seconds, settings.http.access_log) == (15, 180, True)


def test_every_error_is_named_at_once() -> None:
    errors = errors_of(
        {
            "MOORAGE_S3_BUCKET": " ",
            "MOORAGE_LISTEN": "5000",
            "MOORAGE_WORKERS": "many",
            "MOORAGE_TOKEN_TTL": "0",
            "MOORAGE_REDIRECT": "maybe",
            "MOORAGE_PUBLIC_URL": "registry.example.com",
            "MOORAGE_TLS_KEY": "/nowhere",
            "MOORAGE_HEAD_SECONDS": "0",
        }
    )
    for name in (
        "DATABASE_URL", "S3_BUCKET", "SECRET_KEY", "LISTEN", "WORKERS", "TOKEN_TTL", "REDIRECT", "PUBLIC_URL", "TLS_CERT",
        "HEAD_SECONDS",
    ):  # fmt: skip
        assert len([line for line in errors if f"MOORAGE_{name}" in line]) == 1, name
    assert len(errors) == 10
    assert all("\n" not in line for line in errors)


def test_rate_limits_are_off_by_default_and_a_wrong_one_is_named() -> None:
    assert Settings.from_env(GOOD).rate_limits == ()
    found = Settings.from_env({**GOOD, "MOORAGE_LIMITS": "anonymous-pulls=100/6h, account-requests=5000/m"}).rate_limits
    assert [str(policy) for policy in found] == ["anonymous-pulls=100/6h", "account-requests=5000/1m"]
    for text in ("100/6h", "everybody-pulls=1/1h", "anonymous-pulls=0/1h", "anonymous-pulls=1/99d", "token-pulls=5"):
        (line,) = errors_of({**GOOD, "MOORAGE_LIMITS": text})
        assert line.startswith("MOORAGE_LIMITS: expected "), line
        assert repr(text) in line
    (line,) = errors_of({**GOOD, "MOORAGE_LIMITS": "token-pulls=1/1h,token-pulls=2/1h"})
    assert line == "MOORAGE_LIMITS: expected token-pulls once"


def test_no_client_believes_that_a_token_ends_within_a_minute() -> None:
    for text in ("59", "59s", "1"):
        (line,) = errors_of({**GOOD, "MOORAGE_TOKEN_TTL": text})
        assert line.startswith("MOORAGE_TOKEN_TTL: expected 60 seconds or more"), line
    for text in ("60", "60s", "3600"):
        assert Settings.from_env({**GOOD, "MOORAGE_TOKEN_TTL": text}).token_seconds == int(text.removesuffix("s"))


def test_the_store_is_a_bucket_or_a_directory() -> None:
    local = {**GOOD, "MOORAGE_S3_BUCKET": "", "MOORAGE_STORE_PATH": "/srv/moorage"}
    assert Settings.from_env(local).store == LocalSettings(Path("/srv/moorage"))
    assert isinstance(Settings.from_env(GOOD).store, S3Settings)
    (line,) = errors_of({**GOOD, "MOORAGE_STORE_PATH": "/srv/moorage"})
    assert line == "MOORAGE_STORE_PATH and MOORAGE_S3_BUCKET are two stores: set one of them"
    (line,) = errors_of({**GOOD, "MOORAGE_STORE_PATH": "srv/moorage"})
    assert line == "MOORAGE_STORE_PATH: expected the whole path of a directory, from / on, got 'srv/moorage'"
    (line,) = errors_of({**GOOD, "MOORAGE_S3_BUCKET": ""})
    assert line == "MOORAGE_S3_BUCKET is not set: expected the name of the bucket; or set MOORAGE_STORE_PATH"


def test_credentials_for_s3_are_those_of_the_environment_or_left_to_boto() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
    found = Settings.from_env(GOOD | keys).store
    assert isinstance(found, S3Settings)
    assert found.credentials == Credentials("key", "secret", "token")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        found = Settings.from_env(GOOD | keys | {name: ""}).store
        assert isinstance(found, S3Settings)
        assert found.credentials is None


def test_an_empty_value_is_none() -> None:
    """Compose files and charts set what they have nothing for to the empty text."""
    empty = dict.fromkeys(
        ("MOORAGE_PUBLIC_URL", "MOORAGE_TLS_CERT", "MOORAGE_TLS_KEY", "MOORAGE_S3_ENDPOINT", "MOORAGE_WORKERS"), ""
    )
    settings = Settings.from_env({**GOOD, **empty, "MOORAGE_REDIRECT": "  "})
    assert settings == Settings.from_env(GOOD)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MOORAGE_DATABASE_URL", "mysql://root:SECRET@db/x"),
        ("MOORAGE_DATABASE_URL", "SECRET"),
        ("MOORAGE_SECRET_KEY", "SECRET"),
        ("MOORAGE_SECRET_KEY", "s" * 40 + ",SECRET"),
        ("MOORAGE_S3_ENDPOINT", "https://key:SECRET@s3.example.com"),
        ("MOORAGE_S3_ENDPOINT", "https://key:SECRET@[::1"),
        ("MOORAGE_PUBLIC_URL", "https://key:SECRET@example.com:99999"),
        ("MOORAGE_PUBLIC_URL", "key:SECRET@example.com"),
    ],
)
def test_no_message_has_a_secret(name: str, text: str) -> None:
    (line,) = errors_of({**GOOD, name: text})
    assert name in line
    assert "SECRET" not in line.removeprefix(name)


def test_settings_do_not_print_their_secrets() -> None:
    shown = repr(Settings.from_env(GOOD))
    assert "hunter2" not in shown
    assert "s" * 40 not in shown


@pytest.mark.parametrize(
    "text",
    [
        "ftp://example.com", "https://", "https://example.com/path", "https://example.com?x=1", "https://example.com#x", "//example.com",
        "https://example.com:port", "https://example.com:70000", "https://user@example.com", "https://[::1",
    ],
)  # fmt: skip
def test_an_origin_is_a_scheme_and_a_host(text: str) -> None:
    assert errors_of({**GOOD, "MOORAGE_PUBLIC_URL": text})


def test_an_origin_may_end_in_a_slash_and_have_a_port() -> None:
    settings = Settings.from_env({**GOOD, "MOORAGE_PUBLIC_URL": "https://registry.example.com:8443/"})
    assert settings.public_url == "https://registry.example.com:8443"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:5000", ("::1", 5000)),
        (":5000", ("", 5000)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    settings = Settings.from_env({**GOOD, "MOORAGE_LISTEN": text})
    assert (settings.host, settings.port) == address


@pytest.mark.parametrize(
    "text", ["localhost", "localhost:", "localhost:0", "localhost:65536", "localhost:٨٠", "localhost:-1"]
)
def test_addresses_that_are_none(text: str) -> None:
    assert errors_of({**GOOD, "MOORAGE_LISTEN": text})


@pytest.mark.parametrize("text", ["-1", "inf", "nan", "soon", "1e999"])
def test_seconds_that_are_none(text: str) -> None:
    assert errors_of({**GOOD, "MOORAGE_DRAIN_SECONDS": text})


@pytest.mark.parametrize(("text", "seconds"), [("5", 5.0), ("2.5", 2.5), ("10s", 10.0), ("0", 0.0)])
def test_seconds(text: str, seconds: float) -> None:
    assert Settings.from_env({**GOOD, "MOORAGE_DRAIN_SECONDS": text}).drain_seconds == seconds


def test_what_was_let_in_has_some_time_to_finish() -> None:
    assert Settings.from_env(GOOD).stop_seconds == 30
    assert Settings.from_env({**GOOD, "MOORAGE_STOP_SECONDS": "600"}).stop_seconds == 600


def test_a_certificate_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    one, two = write_certificate(tmp_path / "one", until), write_certificate(tmp_path / "two", until)
    locked = write_certificate(tmp_path / "locked", until, passphrase=b"SECRET")
    good = {**GOOD, "MOORAGE_TLS_CERT": str(one.certificate), "MOORAGE_TLS_KEY": str(one.key)}
    assert Settings.from_env(good).tls is not None
    for cert, key, why in [
        (one.certificate, two.key, "cannot be used"),
        (one.certificate, tmp_path / "none", "No such file"),
        (one.key, one.certificate, "cannot be used"),
        (locked.certificate, locked.key, "cannot be used"),
    ]:
        (line,) = errors_of({**GOOD, "MOORAGE_TLS_CERT": str(cert), "MOORAGE_TLS_KEY": str(key)})
        assert why in line
        assert "MOORAGE_TLS_CERT" in line
    (line,) = errors_of({**GOOD, "MOORAGE_TLS_CERT": str(one.certificate)})
    assert line == "MOORAGE_TLS_CERT and MOORAGE_TLS_KEY go together: only one of them is set"


def test_redirects_are_rules_and_the_last_one_is_for_all_others() -> None:
    def redirects(text: str, **more: str) -> tuple[Rule, ...]:
        return Settings.from_env({**GOOD, "MOORAGE_REDIRECTS": text, **more}).redirects

    inside = ToS3(networks=["10.0.0.0/8"], endpoint="http://s3.internal:9000")
    text = '[{"to": "s3", "networks": ["10.0.0.0/8"], "endpoint": "http://s3.internal:9000"}]'
    assert redirects(text) == (inside, ToS3())
    assert redirects(text, MOORAGE_REDIRECT="off") == (inside, Direct())
    assert redirects('[{"to": "direct"}]') == (Direct(),)
    assert redirects("[]") == (ToS3(),)
    on_disk = {**GOOD, "MOORAGE_S3_BUCKET": "", "MOORAGE_STORE_PATH": "/srv/moorage"}
    assert Settings.from_env(on_disk).redirects == (Direct(),)
    (line,) = errors_of({**on_disk, "MOORAGE_REDIRECTS": text})
    assert line == 'MOORAGE_REDIRECTS: "s3" needs a bucket, and blobs are in the directory MOORAGE_STORE_PATH'


def test_a_wrong_redirect_is_named(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("x" * 31)
    (tmp_path / "secret").write_text("SECRET" * 6)
    files = write_certificate(tmp_path / "ec", datetime.now(UTC) + timedelta(days=1))
    front = '"to": "cloudfront", "url": "https://cdn.example.com", "key_id": "K2JCJMDEHXQW5F"'
    link = '"to": "secure_link", "url": "https://cdn.example.com"'
    for text, told in (
        ("{}", "expected a JSON list, or the path of a file with one: "),
        ('[{"to": "s4"}]', "expected a JSON list of redirects: Invalid value 's4' - at `$[0].to`"),
        ('[{"networks": []}]', "missing required field `to` - at `$[0]`"),
        ('[{"to": "direct", "network": []}]', "unknown field `network` - at `$[0]`"),
        ('[{"to": "direct", "networks": ["10.0.0.1/8"]}]', "10.0.0.1/8 has host bits set - at `$[0]`"),
        ('[{"to": "direct"}, {"to": "s3"}]', "$[0] matches everybody, so what is behind it never holds"),
        ('[{"to": "s3", "endpoint": "s3.internal"}]', "expected http(s)://host[:port] - at `$[0]`"),
        ('[{"to": "s3", "endpoint": "http://s3/path"}]', "expected http(s)://host[:port], got 'http://s3/path'"),
        (f'[{{{link}, "secret_file": "/nowhere"}}]', "'/nowhere' cannot be read: No such file or directory - at `$[0]`"),
        (f'[{{{link}, "secret_file": "{tmp_path}/short"}}]', "expected at least 32 random characters in secret_file"),
        (f"[{{{link}}}]", "missing required field `secret_file`"),
        (f'[{{{front}, "key_file": "{tmp_path}/secret"}}]', "expected a private RSA key in PEM"),
        (f'[{{{front}, "key_file": "{files.key}"}}]', "expected a private RSA key in PEM"),
        ('[{"to": "secure_link", "url": "https://a:SECRET@cdn", "secret_file": "x"}]', "expected http(s)://host[:port]"),
    ):  # fmt: skip
        (line,) = errors_of({**GOOD, "MOORAGE_REDIRECTS": text})
        assert line.startswith("MOORAGE_REDIRECTS: "), line
        assert told in line, line
        assert "SECRET" not in line
