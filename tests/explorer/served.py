"""The real server in a thread, and a client that sends paths as they are written, without tidying them."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import uvicorn

from nigra.config import read_settings
from nigra.explorer.app import create_app
from nigra.explorer.opened import Study, check
from nigra.explorer.server import bind

TOKEN = "a-token-of-the-tests"


@dataclass(frozen=True)
class Answer:
    """Status, headers in lower case, body."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> dict:
        return json.loads(self.content)


@dataclass(frozen=True)
class Client:
    """Asks a server on the loopback."""

    port: int
    token: str = TOKEN

    def get(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None, **parameters: str
    ) -> Answer:
        query = f"?{urlencode(parameters)}" if parameters else ""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path + query, headers={"X-Nigra-Token": self.token} | (headers or {}))
        response = connection.getresponse()
        found = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        connection.close()
        return found


@contextmanager
def serve(study: Path) -> Iterator[int]:
    """The explorer of a study on a free port."""
    opened = Study(study, read_settings)
    app, listener = create_app(opened, TOKEN, check(opened)), bind(0)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, ws="none", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listener.close()
