"""What the product says of its runs: how they look, and who may watch them. Nobody may, until it says so."""

from collections.abc import Callable, Mapping
from typing import Any

from apps.pipelines.models import Run
from apps.pipelines.projection import Name, Projection

# The fragments of what has changed, or with None of everything that is live on the page. It may not ask for a request,
# and its HTML depends on nothing but the projection.
Render = Callable[[Projection, frozenset[Name] | None], str]
# May this user (None: nobody is signed in) watch this run at an address with these parts (without `run_id`)?
MayWatch = Callable[[Any, Run, Mapping[str, Any]], bool]


def _nobody(user: Any, run: Run, address: Mapping[str, Any]) -> bool:
    return False


_render: Render | None = None
_may_watch: MayWatch = _nobody


def use(*, render: Render | None = None, may_watch: MayWatch | None = None) -> None:
    """Set the product's renderer and its gate; what is not given stays as it is."""
    global _render, _may_watch
    _render, _may_watch = render or _render, may_watch or _may_watch


def render(projection: Projection, changed: frozenset[Name] | None) -> str:
    if _render is None:
        raise RuntimeError("Nothing renders runs: call apps.pipelines.stream.use(render=…) in an AppConfig.ready.")
    return _render(projection, changed)


def may_watch(user: Any, run: Run, address: Mapping[str, Any]) -> bool:
    return _may_watch(user, run, address)
