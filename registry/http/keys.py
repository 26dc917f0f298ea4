"""The typed keys under which aiohttp's application keeps things."""

from aiohttp import web

from registry.services import Services

SERVICES = web.AppKey("services", Services)
