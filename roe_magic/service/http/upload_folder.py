"""Uploaded files, from the request that brings them to the end of their import."""

from __future__ import annotations

import codecs
import contextlib
import errno
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from starlette.concurrency import run_in_threadpool

from roe_magic.service.http.problems import Problem, disk_full

# So many files may be received or imported at the same time.
MAX_FILES = 32
# What an upload must leave free on the disk, so that the service itself can go on.
MIN_FREE_BYTES = 512 * 2**20
_BLOCK_BYTES = 2**20


class ReceivedFile:
    """A file that is received. ``id`` is part of its name, and the name of its import."""

    def __init__(self, folder: Path) -> None:
        self.id = uuid4().hex
        self.path = folder / self.id

    async def write(self, data: AsyncIterator[bytes]) -> None:
        """Write the content block by block, without the byte order mark that some programs put before text."""
        with self.path.open("xb") as file:
            block, mark = bytearray(), codecs.BOM_UTF8
            async for chunk in data:
                block += chunk
                if len(block) >= _BLOCK_BYTES:
                    await run_in_threadpool(self._store, block.removeprefix(mark), file)
                    block, mark = bytearray(), b""
            await run_in_threadpool(self._store, block.removeprefix(mark), file)

    def _store(self, block: bytearray, file: BinaryIO) -> None:
        require_space(self.path.parent, len(block))
        try:
            file.write(block)
            file.flush()
        except OSError as error:
            raise disk_full() if error.errno in (errno.ENOSPC, errno.EDQUOT) else error from None


class UploadFolder:
    """The folder of uploaded files."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0

    @contextlib.contextmanager
    def new_file(self, announced_bytes: int) -> Iterator[ReceivedFile]:
        """Yield a file, which is deleted at the end of the block.

        Raises
        ------
        Problem
            503 if there are too many files, 507 if the disk has no room for this one.
        """
        if self._count >= MAX_FILES:
            raise Problem(503, "Too many uploads at the same time; try again soon.", headers={"Retry-After": "5"})
        self._folder.mkdir(parents=True, exist_ok=True)
        require_space(self._folder, announced_bytes)
        file = ReceivedFile(self._folder)
        self._count += 1
        try:
            yield file
        finally:
            self._count -= 1
            file.path.unlink(missing_ok=True)


def require_space(folder: Path, size: int) -> None:
    """Raise a 507 if so many bytes would leave too little room on the disk."""
    if shutil.disk_usage(folder).free < size + MIN_FREE_BYTES:
        raise disk_full()
