"""Errors in GitHub's JSON: ``{"message", "errors"?, "documentation_url", "status"}``."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from registry.http.errors import api_body


class ApiError(Exception):
    """What a caller of the API is told. ``extra`` goes beside the message (``missing``, ``have``, ``fix``)."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Sequence[Mapping[str, object]] = (),
        extra: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.extra = extra or {}
        self.headers = headers or {}

    def response(self) -> web.Response:
        """The answer."""
        more = {**self.extra, "errors": list(self.errors)} if self.errors else self.extra
        return web.Response(
            status=self.status,
            body=api_body(self.message, self.status, more),
            content_type="application/json",
            headers={**self.headers, "X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"},
        )


def not_found() -> ApiError:
    """Missing, or hidden: one answer."""
    return ApiError(404, "Not Found")


def requires_authentication() -> ApiError:
    """Nothing was sent where something is needed."""
    return ApiError(401, "Requires authentication", headers={"WWW-Authenticate": 'Basic realm="Moorage"'})


def bad_credentials() -> ApiError:
    """What was sent is no usable access token."""
    return ApiError(401, "Bad credentials", headers={"WWW-Authenticate": 'Basic realm="Moorage"'})


def forbidden(missing: str, have: Sequence[str], fix: str, message: str | None = None) -> ApiError:
    """Seen, but not allowed: what is missing, what there is, what to do."""
    extra = {"missing": missing, "have": list(have), "fix": fix}
    return ApiError(403, message or f"this needs {missing}. {fix}", extra=extra)


def validation_failed(resource: str, field: str, code: str, message: str) -> ApiError:
    """422, as GitHub words it."""
    error = {"resource": resource, "field": field, "code": code, "message": message}
    return ApiError(422, "Validation Failed", errors=[error])
