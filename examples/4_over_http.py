"""The model behind HTTP: start `coldplug serve`, ask it as any program in any language would, and stop it.

python examples/4_over_http.py     after `make demo`, which makes the graph and the model
"""

import json
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

MODEL = Path(__file__).parents[1] / "demo" / "model"


def ask(address: str, body: dict[str, Any] | None = None) -> Any:
    """POST a JSON body, or GET where there is none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


with tempfile.TemporaryDirectory() as folder:
    command = [sys.executable, "-m", "coldplug", "serve", str(MODEL), "--port", "0"]
    command += ["--users", str(Path(folder, "users.db"))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            found = next(filter(None, (re.search(r"http://\S+", line) for line in server.stderr)), None)
            if found is None:
                sys.exit("the server did not start")
            at = found[0]
            health = ask(f"{at}/healthz")
            print(f"GET /healthz     {health['status']}, {health['items']} items, method {health['method']}")

            scores = ask(f"{at}/score", {"user": {"age": 27}, "item_ids": ["f075", "b030"]})["scores"]
            print("POST /score     ", ", ".join(f"{one['item_id']} {one['score']:.2f}" for one in scores))

            kept = ask(f"{at}/observe", {"user_id": "u7", "item_id": "f065", "reward": 5})
            print(f"POST /observe    {kept['support']} item is kept of u7")

            print("POST /recommend  to u7")
            for one in ask(f"{at}/recommend", {"user_id": "u7", "k": 3})["recommendations"]:
                why = ", ".join(reason["label"] for reason in one["reasons"])
                print(f"   {one['score']:5.2f}  {one['title']}: {why}")

            why = ask(f"{at}/explain", {"user_id": "u7", "item_id": "f075"})["explanation"]
            print(f"POST /explain    {why['title']} scores {why['score']:.2f}, the sum of")
            for reason in why["reasons"]:
                way = " > ".join(step["label"] for step in reason["path"])
                print(f"   {reason['share']:+5.2f}  {way or reason['label']}")
        finally:
            server.send_signal(signal.SIGTERM)
print(f"SIGTERM          ended with status {server.returncode}, after the requests in flight")
