"""MNIST's four files: found in a folder or in the cache, else downloaded, and verified in every case.

    MINIVAE_DATA, MINIVAE_DATA/mnist -> cache -> mirrors -> decompress -> MD5 -> parse_idx -> arrays

The checksums are those of the decompressed content: mirrors recompress the archives, the content stays.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import sys
import warnings
import zlib
from typing import BinaryIO, NamedTuple

import numpy as np

from minivae.errors import DataError
from minivae.system.files import replacing

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
GZIP_MAGIC = b"\x1f\x8b"
SLACK = 2**16  # bytes; gzip adds less than this to 47 MB that it cannot compress at all


class IdxFile(NamedTuple):
    """What one of the four files holds when it is decompressed."""

    md5: str
    size: int  # bytes


FILES = {
    "train-images-idx3-ubyte": IdxFile("6bbc9ace898e44ae57da46a324031adb", 47_040_016),
    "train-labels-idx1-ubyte": IdxFile("a25bea736e30d166cdddb491f175f624", 60_008),
    "t10k-images-idx3-ubyte": IdxFile("2646ac647ad5339dbf082846283269ea", 7_840_016),
    "t10k-labels-idx1-ubyte": IdxFile("27ae3e4e09519cfbb04c329615203637", 10_008),
}


def read(part: str) -> tuple[np.ndarray, np.ndarray]:
    """The images (N, 784), float32 in [0, 1], and labels (N,), int64, of one part of MNIST: "train" or "t10k".

    DataError if a file is damaged, or neither found nor downloaded; the message says what was tried.
    """
    images, labels = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    pixels = parse_idx(obtain(images), 3, images)
    # One float32 array is all that is made of the bytes: no second copy, no float64 in between.
    x = np.divide(pixels.reshape(len(pixels), -1), 255, dtype=np.float32)
    return x, parse_idx(obtain(labels), 1, labels).astype(np.int64)


def parse_idx(content: bytes, ndim: int, what: str = "the content") -> np.ndarray:
    """The array of ``ndim`` dimensions in an IDX file of unsigned bytes: a read-only view of ``content``, uint8.

    DataError, which calls the content ``what``, for anything else, or a length that does not fit the dimensions.
    """
    magic, start = bytes((0, 0, 8, ndim)), 4 + 4 * ndim  # 8 is IDX's code for unsigned bytes
    if content[:4] != magic:
        raise DataError(f"{what} is not an IDX file: expected it to start with {magic.hex()}, got {content[:4].hex()}")
    if len(content) < start:
        raise DataError(f"{what} is cut short: an IDX header of {start} bytes was expected, got {len(content)} bytes")
    shape = tuple(np.frombuffer(content, ">u4", ndim, offset=4).tolist())
    if 0 in shape:
        raise DataError(f"{what} is empty: its IDX header gives the shape {shape}")
    if len(content) != start + math.prod(shape):
        raise DataError(f"{what} is damaged: shape {shape} needs {start + math.prod(shape)} bytes, got {len(content)}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def obtain(name: str) -> bytes:
    """The verified content of one of ``FILES``, from ``MINIVAE_DATA``, the cache, or a mirror.

    A damaged file in the user's folder is an error, for the user to look at; one in the cache is fetched again.
    """
    tried = []
    folder = os.environ.get("MINIVAE_DATA")
    if folder:
        path = find(folder, name)
        if path is not None:
            return read_verified(path, name)
        tried.append(f"not in MINIVAE_DATA={folder!r}")
    cached = os.path.join(cache_folder(), name)
    try:
        return read_verified(cached, name)
    except DataError as error:
        tried.append(str(error) if os.path.exists(cached) else f"not in the cache {cache_folder()!r}")
    content = download(name, tried)
    store(content, cached)
    return content


def cache_folder() -> str:
    """The folder that keeps what was downloaded."""
    import pooch

    return str(pooch.os_cache("minivae"))


def find(folder: str, name: str) -> str | None:
    """The path of a file, plain or compressed, in ``folder`` or its subfolder "mnist"; None if it is in neither."""
    for place in (folder, os.path.join(folder, "mnist")):
        for ending in ("", ".gz"):
            path = os.path.join(place, name + ending)
            if os.path.isfile(path):
                return path
    return None


def read_verified(path: str, name: str) -> bytes:
    """The content of the file at ``path``, if it is the content of ``FILES[name]``; DataError otherwise."""
    try:
        with open(path, "rb") as file:
            return verified(file, name, path)
    except OSError as error:
        raise DataError(f"cannot read {path!r}: {error.strerror or error}") from None


def verified(file: BinaryIO, name: str, source: str) -> bytes:
    """What ``file`` holds, decompressed if need be, and checked against ``FILES[name]``; DataError if it differs."""
    expected = FILES[name]
    compressed = file.read(2) == GZIP_MAGIC  # the first bytes decide: browsers decompress and keep the ending .gz
    file.seek(0)
    reader = gzip.GzipFile(fileobj=file) if compressed else file
    try:
        content = reader.read(expected.size + 1)  # one byte too many gives an overlong file away; a bomb stays shut
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{source!r} is a damaged gzip file: {error}") from None
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != expected.md5:
        raise DataError(f"{source!r} is not MNIST's {name}: the MD5 of its decompressed content is not {expected.md5}")
    return content


def download(name: str, tried: list[str]) -> bytes:
    """The verified content of ``FILES[name]`` from the first mirror that has it.

    DataError if none has; the message begins with what was ``tried`` before.
    """
    for mirror in MIRRORS:
        url = f"{mirror}{name}.gz"
        try:
            return verified(fetch(url, FILES[name].size + SLACK), name, url)
        except DataError as error:
            tried.append(str(error))
        except (OSError, ValueError) as error:  # OSError is the base of every error of requests
            tried.append(f"no download from {url} ({reason(error)})")
    raise DataError(
        f"cannot get MNIST: {'; '.join(tried)}. Without a network, put the four files {', '.join(FILES)} "
        "(as they are, or .gz) into a folder and set MINIVAE_DATA to it"
    )


class Bounded(io.BytesIO):
    """A file in memory that refuses to grow beyond ``limit`` bytes, however long a mirror goes on sending."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit

    def write(self, data) -> int:
        """Append ``data``, or raise ValueError."""
        if self.tell() + len(data) > self.limit:
            raise ValueError(f"more than {self.limit} bytes")
        return super().write(data)


def fetch(url: str, limit: int) -> Bounded:
    """What a mirror sends, in memory; ValueError if that is more than ``limit`` bytes."""
    import pooch

    # pooch.retrieve would write to the disk whatever a mirror sends, and fail where the cache cannot be written.
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    file = Bounded(limit)
    pooch.HTTPDownloader(progressbar=on_terminal, chunk_size=2**16, timeout=30)(url, file, None)
    file.seek(0)
    return file


def reason(error: Exception) -> str:
    """A few words for what went wrong in a download; the full text of such errors fills a paragraph."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    return str(error) if type(error) is ValueError else type(error).__name__


def store(content: bytes, path: str) -> None:
    """Keep verified ``content`` in the cache; a cache that cannot be written costs a warning, not the data."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with replacing(path) as beside:
            beside.write_bytes(content)
    except OSError as error:
        why = error.strerror or error
        warnings.warn(f"cannot keep the download in {path!r} ({why}): it is fetched again next time", stacklevel=2)
