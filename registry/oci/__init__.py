"""OCI Distribution 1.1 (and its HEAD) as pure functions: no I/O, no async, no aiohttp.

``request`` says what is asked, ``headers`` and ``manifest`` read what came with it, ``responses`` and ``errors`` write
what goes back. The layer below ``registry.errors``, which exports the errors of this package too.
"""
