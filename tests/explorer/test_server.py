"""The local server: where it listens, what it says, what stops it before it starts."""

import re
import socket
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from nigra.config import read_settings
from nigra.errors import NigraError
from nigra.explorer import server
from nigra.explorer.server import bind, door, explore


def test_it_listens_on_the_loopback_only() -> None:
    with bind(0) as listener:
        host, port = listener.getsockname()
        assert host == "127.0.0.1"
        assert port > 1023


def test_a_taken_port_is_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(NigraError, match=f"port {port} cannot be used"):
            bind(port)
    with pytest.raises(NigraError, match="0 to 65535"):
        bind(70000)


def test_the_door_is_private_and_gone_afterwards() -> None:
    with door("http://127.0.0.1:1/#token=a&b") as page:
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
        assert "url=http://127.0.0.1:1/#token=a&amp;b" in page.read_text()
    assert not page.exists()


def test_it_says_its_address_and_opens_it(explorable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    opened: list[str] = []

    class Served:
        def __init__(self, config: Any) -> None:
            self.config = config

        def run(self, sockets: list[socket.socket]) -> None:
            assert self.config.access_log is False
            assert sockets[0].getsockname()[0] == "127.0.0.1"

    monkeypatch.setattr(server.uvicorn, "Server", Served)
    monkeypatch.setattr(server.webbrowser, "open", opened.append)
    explore(explorable, read_settings, say=said.append)
    explore(explorable, read_settings, browser=False, say=said.append)
    addresses = [re.search(r"http://127\.0\.0\.1:(\d+)/#token=([\w-]{40,})", text) for text in said]
    assert all(addresses)
    assert addresses[0] is not None
    assert addresses[1] is not None
    assert addresses[0][2] != addresses[1][2]
    assert len(opened) == 1
    assert "token" not in opened[0]  # a command line is no secret
    assert threading.active_count() < 50
