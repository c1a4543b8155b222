"""POST /observe as a process on a real socket: clicks count at once, are one user's, and outlive server and model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plug_world import environment
from serve_world import Server, needs_server, serving, small_model

from coldplug.plug import Plug, load

pytestmark = needs_server
MET = [("i3", 5), ("i6", 4), ("i41", 2)]
ASKED = ["i9", "i42", "i1"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def plug(model: Path) -> Plug:
    return load(model)


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("server")
    with serving(model, folder / "log", "--users", str(folder / "users.db")) as running:
        yield running


def observe(server: Server, user: str, met: list[tuple[str, Any]]) -> list[int]:
    """The sizes of the support after each."""
    sizes = []
    for item, reward in met:
        status, found, _ = server.ask("/observe", {"user_id": user, "item_id": item, "reward": reward})
        assert status == 200, found
        sizes.append(found["support"])
    return sizes


def scores(server: Server, **asked: Any) -> list[float]:
    status, found, _ = server.ask("/score", {"item_ids": ASKED, **asked})
    assert status == 200, found
    return [one["score"] for one in found["scores"]]


def test_what_was_observed_counts_from_the_next_request_on(server: Server, plug: Plug) -> None:
    nobody = scores(server, user_id="ann")
    np.testing.assert_allclose(nobody, plug.score({}, ASKED), rtol=1e-5)
    assert observe(server, "ann", [*MET, ("i3", 5)]) == [1, 2, 3, 3]
    after = scores(server, user_id="ann")
    # The newest last: i3 was met again.
    np.testing.assert_allclose(after, plug.score({}, ASKED, [*MET[1:], MET[0]]), rtol=1e-5)
    assert scores(server, user_id="ben") == nobody
    _, found, _ = server.ask("/recommend", {"user_id": "ann", "k": 45})
    shown = [one["item_id"] for one in found["recommendations"]]
    assert len(shown) == 42
    assert not {item for item, _ in MET} & set(shown)
    _, found, _ = server.ask("/explain", {"user_id": "ann", "item_id": "i9"})
    kinds = [reason["kind"] for reason in found["explanation"]["reasons"]]
    assert kinds.count("support") == 3


def test_what_a_request_says_comes_on_top(server: Server, plug: Plug) -> None:
    observe(server, "cleo", MET[:2])
    told = scores(server, user_id="cleo", user={"likes": "crime"}, support=[{"item_id": "i6", "rating": 2}])
    np.testing.assert_allclose(told, plug.score({"likes": "crime"}, ASKED, [("i3", 5), ("i6", 2)]), rtol=1e-5)


def test_a_like_and_a_no_are_the_ends_of_the_scale(server: Server) -> None:
    observe(server, "dora", [("i3", True), ("i6", False)])
    np.testing.assert_allclose(
        scores(server, user_id="dora"),
        scores(server, support=[{"item_id": "i3"}, {"item_id": "i6", "rating": 2}]),
        rtol=1e-5,
    )
    # Without a reward it is a like.
    status, found, _ = server.ask("/observe", {"user_id": "dora", "item_id": "i9"})
    assert (status, found) == (200, {"support": 3})


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"item_id": "i1"}, 422, "user_id"),
        ({"user_id": "", "item_id": "i1"}, 422, "user_id"),
        ({"user_id": "eve", "item_id": "nowhere"}, 404, "item_id"),
        ({"user_id": "eve", "item_id": "i1", "reward": 6}, 409, "reward"),
        ({"user_id": "eve", "item_id": "i1", "reward": "5"}, 422, "reward"),
        ({"user_id": "eve", "item_id": "i1", "rewrad": 5}, 422, "rewrad"),
    ],
)
def test_what_is_wrong_is_named_and_not_kept(
    server: Server, body: dict[str, Any], status: int, field: str
) -> None:
    found_status, found, _ = server.ask("/observe", body)
    assert (found_status, found["field"].partition(".")[0]) == (status, field)
    assert observe(server, "eve", [("i2", 3)]) == [1]


def test_only_items_with_a_fact_are_recommended(server: Server, plug: Plug) -> None:
    _, found, _ = server.ask("/recommend", {"k": 45, "where": {"genre": ["crime", "space"]}})
    shown = [one["item_id"] for one in found["recommendations"]]
    assert {int(item[1:]) % 3 for item in shown} == {0, 2}
    assert len(shown) == 30
    _, spread, _ = server.ask("/recommend", {"k": 5, "diversity": 0.9})
    expected = [one.item_id for one in plug.recommend({}, 5, diversity=0.9)]
    assert [one["item_id"] for one in spread["recommendations"]] == expected
    status, found, _ = server.ask("/recommend", {"where": {"gerne": ["crime"]}})
    assert (status, found["field"]) == (404, "where")
    assert "genre" in found["mend"]


def test_users_outlive_the_server_and_the_model_and_are_in_no_log(model: Path, tmp_path: Path) -> None:
    users, log = str(tmp_path / "users.db"), tmp_path / "log"
    with serving(model, log, "--users", users, ends=-signal.SIGKILL) as server:
        observe(server, "somebody-nobody-knows", MET)
        before = scores(server, user_id="somebody-nobody-knows")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("read anew")
        assert scores(server, user_id="somebody-nobody-knows") == before
        with serving(model, tmp_path / "other", "--users", users) as other:
            assert observe(other, "somebody-nobody-knows", [("i20", 5)]) == [4]
            assert scores(server, user_id="somebody-nobody-knows") != before
        server.process.kill()  # whatever was answered has been kept
        server.process.wait()
        with serving(model, tmp_path / "again", "--users", users) as again:
            assert observe(again, "somebody-nobody-knows", [("i20", 5)]) == [4]
    assert "nobody-knows" not in log.read_text("utf-8") + (tmp_path / "other").read_text("utf-8")


def test_many_clicks_at_once_lose_none(server: Server) -> None:
    def click(turn: int) -> None:
        observe(server, "frank", [(f"i{item}", 2 + item % 4) for item in range(turn, 40, 4)])

    clickers = [threading.Thread(target=click, args=(turn,)) for turn in range(4)]
    for clicker in clickers:
        clicker.start()
    for clicker in clickers:
        clicker.join()
    assert observe(server, "frank", [("i0", 2)]) == [40]


def test_a_server_without_users_says_so(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path / "log") as server:
        for path, body in (
            ("/observe", {"user_id": "a", "item_id": "i1"}),
            ("/score", {"user_id": "a", "item_ids": ["i1"]}),
            ("/recommend", {"user_id": "a"}),
        ):
            status, found, _ = server.ask(path, body)
            assert (status, found["field"]) == (409, "user_id")
            assert "--users" in found["mend"]


def test_a_file_that_is_something_else_is_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / "users.db").write_text(json.dumps({"not": "a store"}) * 100)
    command = [sys.executable, "-m", "coldplug", "serve", str(model), "--port", "0"]
    done = subprocess.run(
        [*command, "--users", str(tmp_path / "users.db")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "users.db" in done.stderr
    assert "Traceback" not in done.stderr
