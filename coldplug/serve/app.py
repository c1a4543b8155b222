"""The addresses of the server, each a few lines around the model."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib import resources
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from coldplug.errors import UnknownItemError
from coldplug.explaining import Explanation
from coldplug.online import Swappable
from coldplug.plug import Plug, Recommendation
from coldplug.serve.bodies import (
    Asker,
    AttributeAnswer,
    ExplainAnswer,
    ExplainBody,
    Found,
    FoundAnswer,
    HealthAnswer,
    ItemsAnswer,
    ItemsBody,
    ObserveAnswer,
    ObserveBody,
    Problem,
    RecommendAnswer,
    RecommendBody,
    ScoreAnswer,
    ScoreBody,
    Scored,
)
from coldplug.serve.guard import BUG, Refused, answer_of, methods_of
from coldplug.serve.metrics import Metrics
from coldplug.serve.told import attributes, find, n_items
from plugbase.errors import UserError, did_you_mean

Answer = TypeVar("Answer")
NO_USERS = Problem(
    error="this server keeps no users",
    field="user_id",
    mend="start it with --users, or send user and support",
)
THREADS = 2
"""Scoring holds the interpreter's lock for most of its time: more threads only take turns."""
AT_ONCE = 500
QUICK = frozenset({"posterior"})
"""So few items, scored by a closed form, take less time than handing the question to a thread and back."""
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": what}
    for status, what in (
        (400, "The request cannot be read."),
        (401, "The token is missing or wrong."),
        (404, "An item, or a fact, that the model does not know; it is named."),
        (408, "The body did not come in time."),
        (409, "An item is given twice; a reward is off the scale of the training; or no users are kept."),
        (413, "The body is too large."),
        (415, "The body is not JSON."),
        (422, "A field is wrong; it is named, with its value and the mend."),
        (429, "Too many requests at once."),
        (500, "A bug."),
        (504, "No answer in time."),
    )
}
_BODIES = (ScoreBody, RecommendBody, ExplainBody, ObserveBody, ItemsBody)


def create_app(held: Swappable, metrics: Metrics) -> FastAPI:
    """The application; it is served behind a `Guard`."""
    answering = ThreadPoolExecutor(THREADS, "answering")
    # Adding takes long and is done one at a time: on a thread of its own it keeps nobody waiting.
    adding = ThreadPoolExecutor(1, "adding")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        answering.shutdown(cancel_futures=True)
        adding.shutdown(cancel_futures=True)

    async def ask(
        question: Callable[[Plug], Answer],
        body: Asker | ObserveBody | None = None,
        *,
        items: int | None = None,
    ) -> Answer:
        plug = held.plug
        kept_of = body.user_id if body else None
        if kept_of is not None and plug._live is None:
            raise Refused(409, NO_USERS)
        try:
            # A store may be on another machine: whoever is looked up there waits on a thread.
            if kept_of is None and items is not None and items <= AT_ONCE and plug.meta["method"] in QUICK:
                return question(plug)
            return await asyncio.get_running_loop().run_in_executor(answering, question, plug)
        except UnknownItemError as error:
            raise _unknown(error, body) from None

    def ignored(body: Asker) -> list[str]:
        known = {one["name"] for one in attributes(held.plug)} if body.user else set()
        return [name for name in body.user if name not in known]

    app = FastAPI(
        title="coldplug",
        description="Scores users and items that a recommender has never seen.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses=PROBLEMS,
    )

    @app.post("/score")
    async def score(body: ScoreBody) -> ScoreAnswer:
        """Score items for one user."""

        def scores_of(plug: Plug) -> list[float]:
            user, support, _ = body.who(plug)
            return plug.score(user, body.item_ids, support, unknown=body.unknown).tolist()

        values = await ask(scores_of, body, items=len(body.item_ids) + len(body.support))
        scored = [
            Scored(item_id=ident, score=value) for ident, value in zip(body.item_ids, values, strict=True)
        ]
        return ScoreAnswer(scores=scored, ignored=ignored(body))

    @app.post("/recommend")
    async def recommend(body: RecommendBody) -> RecommendAnswer:
        """Name the items that suit one user best, and what speaks for each."""

        def recommended(plug: Plug) -> list[Recommendation]:
            user, support, refused = body.who(plug)
            barred = [*body.exclude, *refused]
            try:
                return plug.recommend(
                    user,
                    body.k,
                    support,
                    barred,
                    body.candidates,
                    where=body.where,
                    diversity=body.diversity,
                )
            except UserError as error:
                if not body.where or isinstance(error, UnknownItemError):
                    raise
                raise Refused(404, Problem(error=error.message, field="where", mend=error.mend)) from None

        found = await ask(recommended, body)
        return RecommendAnswer(recommendations=found, ignored=ignored(body))

    @app.post("/explain")
    async def explain(body: ExplainBody) -> ExplainAnswer:
        """Take one score apart: parts that sum to it, the facts behind them, and the text that says so."""

        def explained(plug: Plug) -> Explanation:
            user, support, _ = body.who(plug)
            return plug.explain(user, body.item_id, support)

        return ExplainAnswer(explanation=await ask(explained, body), ignored=ignored(body))

    @app.post("/observe")
    async def observe(body: ObserveBody) -> ObserveAnswer:
        """Keep what a user made of an item: it counts from the next request with their `user_id` on."""

        def observed(plug: Plug) -> int:
            try:
                plug.observe(body.user_id, body.item_id, body.reward)
            except UnknownItemError:
                raise
            except UserError as error:
                problem = Problem(error=error.message, field="reward", value=body.reward, mend=error.mend)
                raise Refused(409, problem) from None
            return len(plug.user(body.user_id).support)

        return ObserveAnswer(support=await ask(observed, body))

    @app.post("/items")
    async def add_items(body: ItemsBody) -> ItemsAnswer:
        """Make new items scorable from their attributes and text: all of them, or none. They last as long as the server."""
        _check_each_once([item.id for item in body.items])
        records = [item.model_dump(exclude_none=True) for item in body.items]
        added, items = await asyncio.get_running_loop().run_in_executor(adding, held.add, records)
        metrics.items.set(items)
        return ItemsAnswer(added=added, items=items)

    @app.get("/items")
    async def find_items(
        q: Annotated[str, Query(max_length=200, description="Words of the title.")] = "",
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> FoundAnswer:
        """Find items by words of their title."""
        found = await ask(lambda plug: find(plug, q, limit))
        return FoundAnswer(items=[Found(item_id=ident, title=title) for ident, title in found])

    @app.get("/attributes")
    async def known_attributes() -> list[AttributeAnswer]:
        """The attributes of users that the model was trained on."""
        told = attributes(held.plug)
        return [
            AttributeAnswer(name=one["name"], between=(one["knots"][0], one["knots"][-1]))
            if one["kind"] == "number"
            else AttributeAnswer(name=one["name"], values=one["values"])
            for one in told
        ]

    @app.get("/healthz")
    async def health() -> HealthAnswer:
        """That the server answers, and what it holds."""
        plug = held.plug
        return HealthAnswer(status="ok", method=plug.meta["method"], items=n_items(plug))

    @app.get("/metrics", response_class=Response)
    async def counted() -> Response:
        """Counters in the text format of Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    text, policy = page()

    @app.get("/", include_in_schema=False)
    async def try_it() -> Response:
        return Response(text, headers={"content-security-policy": policy}, media_type="text/html")

    _answer_errors(app)
    return app


def page() -> tuple[str, str]:
    """The page to try the model, and the policy that lets it do nothing but ask this server."""
    here = resources.files("coldplug.serve")
    script = here.joinpath("script.html").read_text(encoding="utf-8")
    inside = script.partition("<script>")[2].rpartition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
    text = here.joinpath("page.html").read_text(encoding="utf-8").replace("{{ script }}", script)
    allowed = f"script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'"
    return text, f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _unknown(error: UnknownItemError, body: Asker | ObserveBody | None) -> Refused:
    given = body.model_dump() if body else {}
    given["support"] = [met["item_id"] for met in given.get("support", ())]
    given["item_id"] = [given.get("item_id")]
    missing = error.item_ids[0]
    places = [
        name
        for name in ("item_ids", "item_id", "candidates", "support")
        if missing in (given.get(name) or ())
    ]
    mend = 'add them with POST /items, or leave them out; /score scores them null with "unknown": "nan"'
    problem = Problem(error=error.message, value=error.item_ids[:10], mend=mend)
    problem.field = places[0] if places else None
    return Refused(404, problem)


def _check_each_once(ids: list[str]) -> None:
    seen: set[str] = set()
    for place, ident in enumerate(ids):
        if ident in seen:
            problem = Problem(
                error="two items have the same id", field=f"items[{place}].id", value=ident[:100]
            )
            problem.mend = "send each item once"
            raise Refused(409, problem)
        seen.add(ident)


def _answer_errors(app: FastAPI) -> None:
    """Every error as a `Problem`."""

    async def refused(_: Request, error: Any) -> Response:
        return answer_of(error.status, error.problem, error.headers)

    async def wrong_use(_: Request, error: Any) -> Response:
        return answer_of(422, Problem(error=error.message, mend=error.mend))

    async def wrong_address(request: Request, error: Any) -> Response:
        mend, headers = "GET /openapi.json has all addresses", dict(error.headers or {})
        addresses = methods_of(app)
        if error.status_code == 404:
            mend = did_you_mean(request.url.path, addresses) or mend
        elif error.status_code == 405:
            # Two routes of one address know of their own method only.
            headers["Allow"] = ", ".join(sorted(addresses.get(request.url.path, ())))
        return answer_of(error.status_code, Problem(error=str(error.detail).lower(), mend=mend), headers)

    async def wrong_body(_: Request, error: Any) -> Response:
        return answer_of(422, _problem(error.errors()[0]))

    async def bug(_: Request, error: Any) -> Response:
        return answer_of(500, BUG)

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(UserError, wrong_use)
    app.add_exception_handler(HTTPException, wrong_address)
    app.add_exception_handler(RequestValidationError, wrong_body)
    app.add_exception_handler(Exception, bug)


def _problem(found: dict[str, Any]) -> Problem:
    """The first thing that pydantic found wrong, as people say it."""
    if found["type"] == "json_invalid":
        place = found["loc"][-1]
        reason = f"{found['ctx']['error']} at character {place}"
        return Problem(error=f"the body is not JSON: {reason}", field="body", mend="send a JSON object")
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"][1:])
    mend = "GET /openapi.json has the shape of the body and an example"
    if found["type"] == "extra_forbidden":
        known = {name for body in _BODIES for name in body.model_fields}
        mend = did_you_mean(str(found["loc"][-1]), known) or mend
    message = found["msg"][:1].lower() + found["msg"][1:]
    value = None if found["type"] == "missing" else repr(found["input"])[:100]
    return Problem(error=message, field=field.lstrip(".") or "body", value=value, mend=mend)
