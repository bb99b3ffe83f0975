"""Files of others are the published ones, or refused."""

import gzip
import hashlib
from importlib.resources import files

import pytest

from nigra.errors import NigraError
from nigra.report.vendored import packed, unpacked, vendored, verified


def test_every_file_is_the_published_one() -> None:
    found = vendored()
    assert {(each.package, each.version, each.licence) for each in found.values()} == {
        ("plotly.js-strict-dist-min", "4.1.1", "MIT"),
        ("@niivue/niivue", "0.69.0", "BSD-2-Clause"),
    }
    for name, each in found.items():
        assert hashlib.sha256(gzip.decompress(packed(name))).hexdigest() == each.sha256
        assert len(unpacked(name)) > 1_000_000


def test_every_file_has_its_licence_and_none_is_unlisted() -> None:
    folder = files("nigra.report").joinpath("vendor")
    names = {path.name for path in folder.iterdir()}
    listed = {f"{name}.gz" for name in vendored()} | {"vendored.tsv"}
    assert names == listed | {"plotly-LICENSE.txt", "niivue-LICENSE.txt"}
    for name in ("plotly-LICENSE.txt", "niivue-LICENSE.txt"):
        assert "THE SOFTWARE IS PROVIDED" in (text := folder.joinpath(name).read_text().upper()) or "AS IS" in text
    assert sum(len(folder.joinpath(name).read_bytes()) for name in names) < 6_000_000


def test_a_changed_file_is_refused() -> None:
    name, each = next(iter(vendored().items()))
    changed = gzip.compress(unpacked(name).replace(b"var ", b"let ", 1))
    with pytest.raises(NigraError, match="this installation was changed"):
        verified(changed, each)
    with pytest.raises(NigraError, match="unreadable file"):
        verified(b"nothing", each)
    assert verified(packed(name), each) == unpacked(name)  # negative control
