"""`coldplug serve` as a process on a real socket: its answers, its errors, its limits, who may ask, and how it changes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serve_world import HOSTILE, ROOT, Server, needs_server, serving, small_model

from coldplug.plug import Plug, load
from coldplug.store import load_folder, save_folder

pytestmark = needs_server
USER = {"likes": "crime", "age": 30}
SUPPORT = [{"item_id": "i3", "rating": 5}, {"item_id": "i6"}, {"item_id": "i41", "rating": 4}]
PAIRS = [("i3", 5.0), ("i6", float("nan")), ("i41", 4.0)]
TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def plug(model: Path) -> Plug:
    return load(model)


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serving(model, tmp_path_factory.mktemp("server") / "log", "--timeout", "2") as running:
        yield running


def test_answers_are_the_model_s(server: Server, plug: Plug) -> None:
    asked = {"user": USER, "support": SUPPORT}
    status, found, headers = server.ask("/score", asked | {"item_ids": ["i9", "i42", "i9"]})
    assert status == 200
    assert [one["item_id"] for one in found["scores"]] == ["i9", "i42", "i9"]
    expected = plug.score(USER, ["i9", "i42", "i9"], PAIRS)
    np.testing.assert_allclose([one["score"] for one in found["scores"]], expected, rtol=1e-6)
    assert headers["x-request-id"]
    _, found, _ = server.ask("/recommend", asked | {"k": 4, "exclude": ["i9"]})
    best = plug.recommend(USER, 4, PAIRS, ["i9"])
    assert_alike(found["recommendations"], [one.as_json() for one in best])
    _, found, _ = server.ask("/explain", asked | {"item_id": "i42"})
    told = found["explanation"]
    assert_alike(told, plug.explain(USER, "i42", PAIRS).as_json())
    assert sum(reason["share"] for reason in told["reasons"]) == pytest.approx(told["score"], abs=1e-4)


def test_nothing_need_be_known(server: Server, plug: Plug) -> None:
    _, found, _ = server.ask("/score", {"item_ids": ["i1"]})
    assert found["scores"][0]["score"] == pytest.approx(float(plug.score({}, ["i1"])[0]))
    assert server.ask("/score", {"item_ids": []})[:2] == (200, {"scores": [], "ignored": []})


def test_attributes_and_titles_can_be_found(server: Server) -> None:
    _, known, _ = server.ask("/attributes")
    assert {one["name"] for one in known} == {"age", "likes"}
    assert next(one["values"] for one in known if one["name"] == "likes") == ["crime", "fairy tale", "space"]
    _, found, _ = server.ask("/items?q=TITLE+i7&limit=3")
    assert found["items"] == [{"item_id": "i7", "title": "Title 7"}]
    assert server.ask("/items?limit=1")[1]["items"][0]["title"] == HOSTILE


def test_attributes_of_a_model_of_several_are_those_of_all(plug: Plug) -> None:
    from coldplug.serve.told import attributes

    alone = plug.meta["learner"]
    several = Plug(
        plug._learner, plug._catalogue, {"learner": {"members": [{"state": {}}, {"state": alone}]}}
    )
    assert attributes(several) == attributes(plug) != []


def test_an_attribute_that_training_never_met_is_told(server: Server) -> None:
    asked = {"item_ids": ["i1"], "user": {"agee": 3, "likes": "crime"}}
    assert server.ask("/score", asked)[1]["ignored"] == ["agee"]


def test_unknown_ids_are_named_or_null(server: Server) -> None:
    status, found, _ = server.ask("/score", {"item_ids": ["i1", "nowhere"]})
    assert (status, found["field"], found["value"]) == (404, "item_ids", ["nowhere"])
    status, found, _ = server.ask("/score", {"item_ids": ["i1", "nowhere"], "unknown": "nan"})
    assert status == 200
    assert found["scores"][1] == {"item_id": "nowhere", "score": None}
    status, found, _ = server.ask("/explain", {"item_id": "i1", "support": [{"item_id": "1"}]})
    assert (status, found["field"]) == (404, "support")


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/score", b"{", 422, "body"),
        ("/score", b"[" * 100_000, 400, None),
        ("/score", b"\xff\xfe", 422, "body"),
        ("/score", b'"' + b"9" * 5000 + b'"', 422, "body"),
        ("/score", [], 422, "body"),
        ("/score", {}, 422, "item_ids"),
        ("/score", {"item_ids": "i1"}, 422, "item_ids"),
        ("/score", {"item_ids": ["i1", 2]}, 422, "item_ids[1]"),
        ("/score", b'{"item_ids": ["\\ud83d"]}', 422, "item_ids[0]"),
        ("/score", {"item_ids": ["i1"] * 10_001}, 422, "item_ids"),
        ("/score", {"item_ids": ["i1"], "unknown": "zero"}, 422, "unknown"),
        ("/score", {"item_ids": ["i1"], "suport": []}, 422, "suport"),
        ("/score", {"item_ids": ["i1"], "user": {"age": {"years": 3}}}, 422, "user.age"),
        ("/score", b'{"item_ids": ["i1"], "user": {"age": 1' + b"0" * 400 + b"}}", 422, "user.age"),
        (
            "/score",
            b'{"item_ids": ["i1"], "support": [{"item_id": "i2", "rating": NaN}]}',
            422,
            "support[0].rating",
        ),
        ("/recommend", {"k": 0}, 422, "k"),
        ("/recommend", {"k": 1001}, 422, "k"),
        ("/explain", {"item_id": ""}, 422, "item_id"),
        ("/items", {"items": []}, 422, "items"),
        ("/items", {"items": [{"id": "x"}]}, 422, None),
        ("/items", {"items": [{"id": "x", "title": "X"}] * 2}, 409, "items[1].id"),
        ("/items?limit=0", None, 422, "limit"),
        ("/scores", {}, 404, None),
        ("/healthz", {}, 405, None),
    ],
)
def test_what_is_wrong_is_named(server: Server, path: str, body: Any, status: int, field: str | None) -> None:
    found_status, found, _ = server.ask(path, body)
    assert (found_status, found.get("field")) == (status, field)
    assert found["error"]
    assert not {"Traceback", "File "} & set(json.dumps(found).split('"'))


def test_a_wrong_name_is_answered_with_the_right_one(server: Server) -> None:
    assert "support" in server.ask("/score", {"item_ids": [], "suport": []})[1]["mend"]
    assert "/score" in server.ask("/scores", {})[1]["mend"]


def test_a_body_that_is_too_large_is_refused(server: Server) -> None:
    # The length alone is enough; a client that went on sending might find the socket closed before it reads why.
    with opened(server) as connection:
        connection.sendall(head(b"Content-Length: %d\r\n\r\n" % (2**20 + 1)))
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 413")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["field"] == "body"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = raw(server, b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 20)
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_come_is_not_waited_for(server: Server) -> None:
    assert raw(server, b'Content-Length: 50\r\n\r\n{"item_ids"').startswith(b"HTTP/1.1 408")


def test_only_json_and_only_this_host(server: Server) -> None:
    status, found, _ = server.ask("/score", b"{}", {"Content-Type": "text/plain"})
    assert (status, found["field"]) == (415, "Content-Type")
    status, found, _ = server.ask("/healthz", headers={"Host": "elsewhere.example"})
    assert (status, found["field"]) == (400, "Host")


def test_one_request_too_many_is_told_to_come_back(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path / "log", "--concurrency", "1", "--timeout", "30") as server:
        with opened(server) as slow:
            body = b'{"item_ids": ["i1"]}'
            slow.sendall(head(b"Content-Length: %d\r\n\r\n" % len(body)))
            wait_until(lambda: "in_flight 1.0" in server.ask("/metrics")[1])
            status, found, headers = server.ask("/score", {"item_ids": ["i1"]})
            assert (status, headers["retry-after"]) == (429, "1")
            assert "--concurrency" in found["mend"]
            assert server.ask("/healthz")[0] == 200
            slow.sendall(body)
            assert slow.recv(4096).startswith(b"HTTP/1.1 200")
        assert server.ask("/score", {"item_ids": ["i1"]})[0] == 200


def test_a_token_is_asked_for_where_there_is_one(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path / "log", "--host", "0.0.0.0", token=TOKEN) as server:
        secret = {"item_ids": ["i1"], "user": {"likes": "a secret taste"}}
        for shown in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            status, found, headers = server.ask("/score", secret, shown)
            assert (status, found["field"], headers["www-authenticate"]) == (401, "Authorization", "Bearer")
        right = {"Authorization": f"Bearer {TOKEN}", "X-Request-ID": "asked-by-a-test"}
        assert server.ask("/score", secret, right)[2]["x-request-id"] == "asked-by-a-test"
        assert (
            server.ask("/metrics")[0] == server.ask("/attributes")[0] == server.ask("/openapi.json")[0] == 401
        )
        assert server.ask("/")[0] == server.ask("/healthz")[0] == 200
        forged = server.ask("/score", secret, right | {"X-Request-ID": "a b"})[2]["x-request-id"]
        assert " " not in forged
    log = (tmp_path / "log").read_text("utf-8")
    assert "asked-by-a-test POST /score 200" in log
    assert "taste" not in log
    assert TOKEN not in log
    assert "i1" not in log


@pytest.mark.parametrize(("host", "token"), [("0.0.0.0", None), ("::", None), ("0.0.0.0", "short")])
def test_it_does_not_start_open_to_others(model: Path, host: str, token: str | None) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | ({"COLDPLUG_TOKEN": token} if token else {})
    command = [sys.executable, "-m", "coldplug", "serve", str(model), "--host", host, "--port", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "COLDPLUG_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(server: Server, model: Path) -> None:
    command = [sys.executable, "-m", "coldplug", "serve", str(model), "--port", str(server.port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert str(server.port) in done.stderr


def test_a_request_in_flight_is_finished_before_the_end(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path / "log") as server, opened(server) as slow:
        body = b'{"item_ids": ["i1"]}'
        slow.sendall(head(b"Content-Length: %d\r\n\r\n" % len(body)))
        wait_until(lambda: "in_flight 1.0" in server.ask("/metrics")[1])
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: refused(server))
        slow.sendall(body)
        answer = slow.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200")
        assert server.process.wait(30) == 0


@pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="needs /proc to see what a process has loaded"
)
def test_scoring_loads_no_torch(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path / "log") as server:
        assert server.ask("/recommend", {"user": USER, "support": SUPPORT})[0] == 200
        assert server.ask("/explain", {"user": USER, "item_id": "i42"})[0] == 200
        assert "libtorch" not in Path(f"/proc/{server.process.pid}/maps").read_text()


def test_new_items_are_there_at_once_all_or_none(model: Path, tmp_path: Path) -> None:
    known = {"id": "i1", "title": "known already"}
    new = [{"id": "n0", "title": "A new crime tale", "genre": "crime"}, {"id": "n1", "description": "Space."}]
    # Ours first: what it makes of the texts is kept, and the server need not load the model that reads them.
    ours = load(model)
    ours.add_items(new)
    with serving(model, tmp_path / "log") as server:
        broken = {"items": [*new, {"id": "n2"}]}
        status, found, _ = server.ask("/items", broken)
        assert status == 422
        assert "n2" in found["error"]
        assert server.ask("/score", {"item_ids": ["n0"]})[0] == 404
        assert server.ask("/items", {"items": [*new, known]})[:2] == (200, {"added": 2, "items": 47})
        assert server.ask("/items", {"items": new})[1] == {"added": 0, "items": 47}
        before = server.ask("/score", {"item_ids": ["n0", "n1", "i1"], "user": USER})[1]["scores"]
        np.testing.assert_allclose(
            [one["score"] for one in before], ours.score(USER, ["n0", "n1", "i1"]), rtol=1e-4
        )
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("read anew")
        assert server.ask("/score", {"item_ids": ["n0", "n1", "i1"], "user": USER})[1]["scores"] == before


def test_a_model_is_swapped_under_load_without_a_failed_request(
    model: Path, tmp_path: Path, plug: Plug
) -> None:
    folder = tmp_path / "model"
    meta, arrays, texts = load_folder(model)
    kept = {name: value for name, value in meta.items() if name not in ("format", "files")}
    save_folder(folder, kept, arrays, texts)
    other = {
        name: array * 2 if name.startswith("items.") and array.dtype.kind == "f" else array
        for name, array in arrays.items()
    }
    asked = {"user": USER, "support": SUPPORT, "item_ids": ["i1", "i2", "i42"]}
    first = plug.score(USER, asked["item_ids"], PAIRS).tolist()
    answers: list[tuple[int, list[float]]] = []
    stop = threading.Event()
    with serving(folder, tmp_path / "log") as server:

        def keep_asking() -> None:
            while not stop.is_set():
                status, found, _ = server.ask("/score", asked)
                answers.append((status, [one["score"] for one in found.get("scores", ())]))

        askers = [threading.Thread(target=keep_asking) for _ in range(4)]
        for asker in askers:
            asker.start()
        try:
            for swap in range(1, 5):
                save_folder(folder, kept, other if swap % 2 else arrays, texts)
                server.process.send_signal(signal.SIGHUP)
                wait_until(lambda n=swap: f'swaps_total{{outcome="done"}} {n}.0' in server.ask("/metrics")[1])
            (folder / "arrays.safetensors").write_bytes(b"cut short")
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("the model is as it was")
        finally:
            stop.set()
            for asker in askers:
                asker.join()
        save_folder(folder, kept, other, texts)
        second = load(folder).score(USER, asked["item_ids"], PAIRS).tolist()
        assert not np.allclose(first, second, rtol=1e-3)
        assert answers
        assert {status for status, _ in answers} == {200}
        for _, scores in answers:
            assert np.allclose(scores, first, rtol=1e-5) or np.allclose(scores, second, rtol=1e-5)
        assert server.ask("/score", asked)[0] == 200
        assert 'swaps_total{outcome="refused"} 1.0' in server.ask("/metrics")[1]


def test_requests_are_counted_by_address_and_status(server: Server) -> None:
    before = counted(server, 'requests_total{path="/explain",status="404"}')
    server.ask("/explain", {"item_id": "nowhere at all"})
    assert counted(server, 'requests_total{path="/explain",status="404"}') == before + 1
    server.ask("/a/path/of/somebody")
    text = server.ask("/metrics")[1]
    assert 'path="other"' in text
    assert "somebody" not in text
    assert "nowhere" not in text
    assert counted(server, "items") == 45
    assert counted(server, 'request_seconds_count{path="/explain"}') > 0


def test_examples_of_the_description_are_right(server: Server) -> None:
    import coldplug.serve.bodies as bodies

    schema = server.ask("/openapi.json")[1]
    found = 0
    for name, described in schema["components"]["schemas"].items():
        for example in described.get("examples", ()):
            getattr(bodies, name).model_validate(example)
            found += 1
    assert found == 5
    assert {"/score", "/recommend", "/explain", "/observe", "/items", "/healthz", "/metrics"} <= set(
        schema["paths"]
    )


def assert_alike(told: Any, expected: Any) -> None:
    """The same JSON, but for the last bits of numbers: those depend on where in memory a product is made."""
    if isinstance(expected, float):
        assert told == pytest.approx(expected, abs=1e-5)
    elif isinstance(expected, dict):
        assert told.keys() == expected.keys()
        for name, value in expected.items():
            assert_alike(told[name], value)
    elif isinstance(expected, list):
        assert len(told) == len(expected)
        for one, other in zip(told, expected, strict=True):
            assert_alike(one, other)
    else:
        assert told == expected


def head(rest: bytes) -> bytes:
    return b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + rest


def opened(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def raw(server: Server, rest: bytes) -> bytes:
    with opened(server) as connection:
        connection.sendall(head(rest))
        return connection.recv(4096)


def refused(server: Server) -> bool:
    try:
        opened(server).close()
    except ConnectionError:
        return True
    return False


def counted(server: Server, name: str) -> float:
    lines = server.ask("/metrics")[1].splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f"coldplug_{name} ")), 0.0)


def wait_until(condition: Any) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 30 seconds")
