"""Object stores: the Protocols (``base``), the stores (``s3``, ``local``, ``memory``), and the hash of uploads.

Every object is written once under a key of its own and never overwritten; what it means stands in Postgres, so the
bucket does not explain itself. Only ``storage`` and the wiring name a store's class; all others take the Protocols.
"""
