"""`nigra explore`: one local server for one user."""

import secrets
import socket
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from nigra.errors import NigraError
from nigra.explorer.app import create_app
from nigra.explorer.opened import SettingsReader, Study, check

LOOPBACK = "127.0.0.1"


def bind(port: int) -> socket.socket:
    """A socket on the loopback; port 0 takes any free one.

    Raises:
        NigraError: the port is taken, reserved or no port.
    """
    if not 0 <= port <= 65535:
        raise NigraError(f"--port: a port is a number from 0 to 65535 (found {port}).")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(128)  # from now on a browser waits, and is not turned away
    except OSError as error:
        listener.close()
        raise NigraError(
            f"--port: port {port} cannot be used ({error.strerror}); take another, or 0 for any free one."
        ) from error
    return listener


def explore(
    folder: Path, read: SettingsReader, run: str | None = None, port: int = 0, browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:  # fmt: skip
    """Serve the page until interrupted.

    Args:
        folder: the study.
        read: reads a run's ``settings.yaml``.
        run: the run shown first; None takes the newest with a latent space.
        port: on 127.0.0.1; 0 takes any free one.
        browser: open the page in the user's browser.
        say: told the address.

    Raises:
        NigraError: nothing to explore, the port is taken, or a vendored file was changed.
    """
    study, token = Study(folder, read), secrets.token_urlsafe(32)
    app = create_app(study, token, check(study, run))
    listener = bind(port)
    address = f"http://{LOOPBACK}:{listener.getsockname()[1]}/#token={token}"
    say(f"explorer: {address}\nOnly this machine can open it. Stop with Ctrl-C.")
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, ws="none", lifespan="off"
    )
    with listener, door(address) as page:
        if browser:
            webbrowser.open(page.as_uri())
        with suppress(KeyboardInterrupt):  # the way to stop it
            uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def door(address: str) -> Iterator[Path]:
    """A private file that leads a browser to ``address``: others can read a command line, but not this file."""
    with TemporaryDirectory(prefix="nigra-explore-") as folder:  # only its owner may enter
        page = Path(folder) / "open.html"
        content = escape(f"0;url={address}", quote=True)
        page.write_text(
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="{content}">',
            encoding="utf-8",
        )
        page.chmod(0o600)
        yield page
