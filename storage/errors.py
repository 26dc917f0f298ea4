"""What can go wrong below; the rule that called storage says what it means to the caller."""


class StorageError(Exception):
    """The root of what storage raises."""


class Unavailable(StorageError):
    """Postgres or S3 cannot be reached, is overloaded or refuses work; trying again later may help."""


class ObjectNotFound(StorageError):
    """No object is stored under this key."""


class UploadGone(StorageError):
    """The multipart upload is unknown to the object store: completed, aborted or never made."""


class ObjectCorrupt(StorageError):
    """The store holds something else under this key than what was sent (size differs)."""
