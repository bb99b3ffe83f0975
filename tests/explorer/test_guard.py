"""Who is refused: foreign hosts, foreign pages, writers, and whoever has no token."""

import pytest

from nigra.explorer.guard import POLICY, refusal

GOOD = {"host": "127.0.0.1:8123", "x-nigra-token": "secret"}


def status(path: str = "/api/study", method: str = "GET", **changes: str) -> int:
    headers = GOOD | {name.replace("_", "-"): value for name, value in changes.items()}
    found = refusal(method, path, headers, "secret")
    return found[0] if found else 200


def test_the_page_itself_may_ask() -> None:
    assert status() == 200
    assert status(host="localhost:8123") == status(host="[::1]:8123") == status(host="127.0.0.1") == 200
    assert status(origin="http://127.0.0.1:8123", sec_fetch_site="same-origin") == 200
    assert status(host="localhost:9000", origin="http://localhost:9000") == 200  # through an SSH tunnel
    assert status(method="HEAD") == 200


@pytest.mark.parametrize(
    "host", ["evil.example:8123", "127.0.0.1.evil.example:80", "", "localhost.evil:80", "0.0.0.0"]
)
def test_another_host_name_is_refused(host: str) -> None:
    assert status(host=host) == status(path="/", host=host) == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(method: str) -> None:
    assert status(method=method) == 405


def test_another_page_is_refused() -> None:
    assert status(origin="http://evil.example") == 403
    assert status(origin="null") == 403
    assert status(origin="https://127.0.0.1:8123") == status(origin="http://127.0.0.1:9999") == 403
    assert status(sec_fetch_site="cross-site") == status(sec_fetch_site="same-site") == 403
    assert status(path="/static/main.js", sec_fetch_site="cross-site") == 403
    assert status(path="/", sec_fetch_site="cross-site") == 200  # the private file that opens the page leads here


@pytest.mark.parametrize("token", ["", "secre", "secret ", "Secret", "sécret"])
def test_without_the_token_there_is_no_data(token: str) -> None:
    assert status(x_nigra_token=token) == 403
    assert status(path="/", x_nigra_token=token) == 200  # the empty page holds none


def test_the_policy_is_strict() -> None:
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert POLICY.startswith("default-src 'none'")
