"""The spool of a node that has nowhere to write."""

from pathlib import Path
from uuid import uuid4

from registry.mirror.spool import Spool
from storage.names import UploadId


async def test_without_a_folder_to_write_to_there_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spool, upload = Spool(tmp_path / "file" / "spool"), UploadId(uuid4())
    async with spool.writing(upload, 0) as writer:
        assert not await writer.write(0, b"bytes")
        writer.is_whole = True
    assert await spool.reader(upload) is None
