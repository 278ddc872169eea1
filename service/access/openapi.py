"""What OpenAPI says of keys: the scheme, and which requests need one."""

from typing import Any

from fastapi import FastAPI

from service.access.scopes import needed

_SCHEME = "key"


def describe_keys(app: FastAPI) -> None:
    """Add to the application's description that all but the free paths need a key."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            schema.setdefault("components", {})["securitySchemes"] = {_SCHEME: {"type": "http", "scheme": "bearer"}}
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    need = needed(method.upper(), path)
                    if need != "free":
                        operation["security"] = [{_SCHEME: [] if need == "key" else [need]}]
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign] # as FastAPI's documentation does it
