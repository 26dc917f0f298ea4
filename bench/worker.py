"""One serving process without its parent: callgrind can be talked to by the process that it started, not by a fork."""

import socket

from registry.app import serve_worker
from registry.config import Settings

if __name__ == "__main__":
    settings = Settings.from_env()
    serve_worker(settings, 0, socket.create_server((settings.host, settings.port)))
