"""Bytes under opaque keys: the Protocols (``base``), S3, a local disk, memory, and the hash that goes with an upload.

Every object is written once under a key of its own and never overwritten; what it means stands in Postgres, so the
bucket does not explain itself. Only ``storage`` and the wiring name a store's class; all others take the Protocols.
"""
