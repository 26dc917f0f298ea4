"""Errors in GitHub's JSON: ``{"message", "errors"?, "documentation_url", "status"}``."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from registry.http.errors import api_body


class ApiError(Exception):
    """An error response of the API; ``extra`` has fields beside the message (``missing``, ``have``, ``fix``)."""

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
        """Render the error as a response."""
        more = {**self.extra, "errors": list(self.errors)} if self.errors else self.extra
        return web.Response(
            status=self.status,
            body=api_body(self.message, self.status, more),
            content_type="application/json",
            headers={**self.headers, "X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"},
        )


def not_found() -> ApiError:
    """404: the resource is missing or hidden; both have the same response."""
    return ApiError(404, "Not Found")


def requires_authentication() -> ApiError:
    """401: the request has no credentials, and the route needs some."""
    return ApiError(401, "Requires authentication", headers={"WWW-Authenticate": 'Basic realm="Moorage"'})


def bad_credentials() -> ApiError:
    """401: the credentials are no usable access token."""
    return ApiError(401, "Bad credentials", headers={"WWW-Authenticate": 'Basic realm="Moorage"'})


def forbidden(missing: str, have: Sequence[str], fix: str, message: str | None = None) -> ApiError:
    """403: the resource is visible, but the action is denied: the missing right, the present rights, and a fix."""
    extra = {"missing": missing, "have": list(have), "fix": fix}
    return ApiError(403, message or f"this needs {missing}. {fix}", extra=extra)


def validation_failed(resource: str, field: str, code: str, message: str) -> ApiError:
    """422: validation failed, in GitHub's words."""
    error = {"resource": resource, "field": field, "code": code, "message": message}
    return ApiError(422, "Validation Failed", errors=[error])
