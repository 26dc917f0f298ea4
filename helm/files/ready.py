"""Asks the service whether its servers are ready; `helm test` runs it in a pod of the image."""

import http.client
import os
import ssl
import sys
from http import HTTPStatus
from urllib.parse import urlsplit

service = urlsplit(os.environ["SERVICE"])
assert service.hostname is not None
connection: http.client.HTTPConnection
if service.scheme == "https":
    # Its certificate has the name that clients know, and not the service's.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(service.hostname, service.port, timeout=20, context=context)
else:
    connection = http.client.HTTPConnection(service.hostname, service.port, timeout=20)
told = []
for path in ("/readyz", "/v2/"):
    connection.request("GET", path)
    answer = connection.getresponse()
    told.append((answer.status, answer.read().decode().strip()))
    print(path, *told[-1])
# The store is told of after a semicolon: without it no layer can be pushed.
sys.exit(told[0] != (HTTPStatus.OK, "ready") or told[1][0] != HTTPStatus.UNAUTHORIZED)
