"""The path that a request is routed by."""

from starlette.types import Scope


def routed_path(scope: Scope) -> str:
    """Return the path below where the application is mounted, as Starlette cuts it."""
    path: str = scope["path"]
    mount: str = scope.get("root_path", "")
    below = path.removeprefix(mount)
    return below if mount and below[:1] in {"", "/"} else path
