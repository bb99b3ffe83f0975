"""JavaScript made by others, shipped in the package: listed with version, licence and SHA-256, checked when read.

The files lie gzipped in ``report/vendor``; ``vendored.tsv`` has the hash of what they unpack to, which is the file
in the published npm package, byte for byte.
"""

import csv
import gzip
import hashlib
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from nigra.errors import NigraError


@dataclass(frozen=True)
class Vendored:
    """One file as published: its npm package, version, licence (SPDX), place in the package, hash."""

    file: str
    package: str
    version: str
    licence: str
    source: str
    sha256: str


def vendored() -> dict[str, Vendored]:
    """File name -> what it is."""
    text = files("nigra.report").joinpath("vendor", "vendored.tsv").read_text(encoding="utf-8")
    return {row["file"]: Vendored(**row) for row in csv.DictReader(text.splitlines(), delimiter="\t")}


def packed(name: str) -> bytes:
    """A vendored file as it lies in the package, gzipped, once its content is known to be the published one.

    Raises:
        NigraError: the content has another hash than the list says.
    """
    return _checked(name)[0]


def unpacked(name: str) -> bytes:
    """A vendored file's content; errors as of ``packed``."""
    return _checked(name)[1]


@cache
def _checked(name: str) -> tuple[bytes, bytes]:
    data, expected = files("nigra.report").joinpath("vendor", f"{name}.gz").read_bytes(), vendored()[name]
    return data, verified(data, expected)


def verified(data: bytes, expected: Vendored) -> bytes:
    """The content of gzipped ``data`` when it is what ``expected`` says."""
    try:
        content = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        content, found = b"", f"an unreadable file ({error})"
    else:
        found = hashlib.sha256(content).hexdigest()
    if found != expected.sha256:
        raise NigraError(
            f"{expected.file} of {expected.package} {expected.version} has SHA-256 {expected.sha256[:12]}..., but "
            f"found {found[:40]}; this installation was changed: install nigra again."
        )
    return content
