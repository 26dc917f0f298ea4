"""Object stores: the Protocols (``base``), the stores (S3, local disk, memory), and the resumable hash of uploads.

Every object is written once under a key of its own and never overwritten; what it means stands in Postgres, so the
bucket does not explain itself. Only ``storage`` and the wiring name a store's class; all others take the Protocols.
"""
