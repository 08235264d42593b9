"""What the product defines for its runs: how they are rendered, and who may watch them.

Until the product defines it, no user may watch a run.
"""

from collections.abc import Callable, Mapping
from typing import Any

from apps.pipelines.models import Run
from apps.pipelines.projection import Projection

# Returns the fragments of what has changed after an event number, or, for None, of
# everything that is live on the page. It gets no request, because its HTML depends only
# on the projection and that number.
Render = Callable[[Projection, int | None], str]
# Return whether this user (None without a login) may watch this run at an address with
# these parts (without `run_id`).
MayWatch = Callable[[Any, Run, Mapping[str, Any]], bool]

# Returns whether this session of this user may still be used.
IsCurrent = Callable[[Any, Any], bool]


def _nobody(user: Any, run: Run, address: Mapping[str, Any]) -> bool:
    return False


_render: Render | None = None
_may_watch: MayWatch = _nobody
_is_current: IsCurrent | None = None


def use(
    *,
    render: Render | None = None,
    may_watch: MayWatch | None = None,
    is_current: IsCurrent | None = None,
) -> None:
    """Set the product's renderer and its gates. Arguments that are left out change
    nothing.
    """
    global _render, _may_watch, _is_current
    _render, _may_watch = render or _render, may_watch or _may_watch
    _is_current = is_current or _is_current


def render(projection: Projection, since: int | None) -> str:
    if _render is None:
        raise RuntimeError(
            "Nothing renders runs: call apps.pipelines.stream.use(render=…) in an AppConfig.ready."
        )
    return _render(projection, since)


def may_watch(user: Any, run: Run, address: Mapping[str, Any]) -> bool:
    return _may_watch(user, run, address)


def is_current(session: Any, user: Any) -> bool:
    """Return whether a session may still be used.

    Without a gate, every existing session may.
    """
    return _is_current is None or _is_current(session, user)
