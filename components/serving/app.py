"""The server's routes. Each reads, calls one thing, and answers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from components.serving.access import KeyRing
from components.serving.guard import Guard, extra_headers, refusal_body
from components.serving.messages import (
    FoundItems,
    PostedEvent,
    RecommendationRequest,
    Recommendations,
    Refusal,
    TakenEvent,
)
from components.serving.page import PAGE_FILES, find_items, page_file
from components.serving.refusals import RequestRefused, not_ready
from components.serving.service import Service

_FOUND_AT_MOST = 50
_OF_BODIES: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "The body is no text"},
    404: {"model": Refusal, "description": "The server has no second version, or takes no events"},
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Refusal, "description": "No key, or not one of ours"},
    413: {"model": Refusal, "description": "The body is too long"},
    422: {"model": Refusal, "description": "A field is missing, wrong, or beyond a limit"},
    429: {"model": Refusal, "description": "The key asks too often; see Retry-After"},
    503: {
        "model": Refusal,
        "description": "No version is loaded, or too many requests wait; see Retry-After",
    },
}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Refusal}}
_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"description": "No version is loaded, or its alias was not read lately"}
}
_METRICS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/plain": {"schema": {"type": "string"}}},
        "description": "In Prometheus' own text",
    },
    401: _REFUSALS[401],
    429: _REFUSALS[429],
}


def create_app(service: Service) -> FastAPI:
    """The application around a service, which it starts and stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.stop()

    app = FastAPI(
        title="recloop",
        summary="Lists of the champion for users and histories, and events as they happen",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # both pages load their scripts from elsewhere
        redoc_url=None,
    )
    app.add_middleware(Guard, config=service.config, metrics=service.metrics)
    _add_errors(app)
    _add_state(app, service)
    _add_answers(app, service)
    _add_page(app, service)
    return app


def _add_answers(app: FastAPI, service: Service) -> None:
    @app.post(
        "/v1/recommendations",
        response_model=Recommendations,
        responses=_OF_BODIES | _REFUSALS | _CONFLICT,
        tags=["lists"],
    )
    async def recommendations(asked: RecommendationRequest) -> Response:
        """The best k items for a user, or for a history of items."""
        return _json(await service.recommending.answer(asked))

    @app.post(
        "/v1/events", response_model=TakenEvent, responses=_OF_BODIES | _REFUSALS | _CONFLICT, tags=["events"]
    )
    async def events(posted: PostedEvent) -> Response:
        """Take an event: the user's next list sees it, and the next ingestion keeps it."""
        return _json(await service.take_event(posted))

    @app.get("/v1/items", response_model=FoundItems, responses=_REFUSALS, tags=["lists"])
    def items(
        query: Annotated[str, Query(min_length=1, max_length=100)],
        limit: Annotated[int, Query(ge=1, le=_FOUND_AT_MOST)] = 10,
    ) -> Response:
        """Items whose title or id holds the text."""
        if (version := service.champion.current) is None:
            raise not_ready(service.champion.following.problem)
        return _json(FoundItems(items=find_items(version, query, service.images, limit=limit)))


def _add_state(app: FastAPI, service: Service) -> None:
    keys = KeyRing(service.config.keys)

    @app.get("/health", tags=["state"])
    async def health() -> dict[str, str]:
        """The process lives."""
        return {"status": "alive"}

    @app.get("/ready", responses=_NOT_READY, tags=["state"])
    async def ready(request: Request) -> JSONResponse:
        """Whether a version is loaded and its alias was read lately; 503 if not. A key is told what is amiss."""
        state = service.readiness(at=time.monotonic())
        told = state.to_dict(with_problems=keys.caller(request.headers) is not None)
        return JSONResponse(told, status_code=200 if state.is_ready else 503)

    @app.get("/metrics", response_class=Response, responses=_METRICS, tags=["state"])
    async def metrics() -> Response:
        """For Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _add_page(app: FastAPI, service: Service) -> None:
    for path, media_type in PAGE_FILES.items():
        content = page_file(path)

        async def page(content: bytes = content, media_type: str = media_type) -> Response:
            return Response(content, media_type=media_type)

        app.add_api_route(path, page, include_in_schema=False)

    @app.get("/images/{item_id}", include_in_schema=False)
    async def image(item_id: str) -> Response:
        if (found := service.images.get(item_id)) is None:
            raise RequestRefused(404, "no_image", "no picture of this item is known")
        return FileResponse(found[0], media_type=found[1])


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestRefused)
    async def refused(_: Request, error: RequestRefused) -> Response:
        return Response(
            refusal_body(error),
            status_code=error.status,
            media_type="application/json",
            headers=extra_headers(error),
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        told = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'][1:])}: {fault['msg']}"
            for fault in error.errors()[:5]
        )
        return await refused(request, RequestRefused(422, "invalid_request", told))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return await refused(request, RequestRefused(error.status_code, "refused", str(error.detail)))

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        # what broke stands in the log, with its trace; a caller is told nothing of the inside
        return await refused(request, RequestRefused(500, "internal", "the server failed; its log says why"))


def _json(message: BaseModel) -> Response:
    return Response(message.model_dump_json(), media_type="application/json")
