"""The typed keys under which aiohttp's application keeps things."""

from aiohttp import web

from registry.http.login_throttle import LoginThrottle
from registry.services import Services

SERVICES = web.AppKey("services", Services)
THROTTLE = web.AppKey("throttle", LoginThrottle)
