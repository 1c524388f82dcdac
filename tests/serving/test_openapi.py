"""The document of the server says what its routes are, and how each answers."""

from __future__ import annotations

from fastapi.routing import APIRoute

from components.serving import guard
from components.serving.app import create_app
from components.serving.service import Service
from tests.serving.world import World


def test_the_document_and_the_routes_agree(world: World):
    app = create_app(Service(world.config()))
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    shown = {
        route.path: {method.lower() for method in route.methods}
        for route in routes
        if route.include_in_schema
    }
    document = app.openapi()["paths"]
    assert {path: set(told) for path, told in document.items()} == shown
    assert {"/v1/recommendations", "/v1/events", "/v1/items", "/health", "/ready", "/metrics"} == shown.keys()
    hidden = {route.path for route in routes if not route.include_in_schema} | {"/openapi.json"}
    assert (shown.keys() | hidden) - {"/images/{item_id}"} == guard._ROUTES


def test_what_is_no_json_is_not_called_so(world: World):
    document = create_app(Service(world.config())).openapi()
    content = document["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
    assert list(content) == ["text/plain"]
    for path in ("/v1/recommendations", "/v1/events"):
        assert {"200", "400", "401", "404", "409", "413", "422", "429", "503"} == document["paths"][path][
            "post"
        ]["responses"].keys()
    assert document["components"]["schemas"]["RecommendationRequest"]["properties"]["exclude"]["items"][
        "pattern"
    ]
    moment = document["components"]["schemas"]["PostedEvent"]["properties"]["timestamp"]
    assert [told["type"] for told in moment["anyOf"]] == ["string", "number"]
