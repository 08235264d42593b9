"""A renderer that a test can read."""

import json


def render(projection, since):
    """Return the states of what has changed as JSON, so that a test can put them
    together as a page does.
    """
    changed = None if since is None else projection.changed_since(since)
    if changed == {("part", "unrenderable")}:
        raise ValueError("This part cannot be rendered.")
    names = changed if changed is not None else projection.versions
    # A mark that a state may have changed is no part of the page.
    names = [name for name in names if name[0] != "states"]
    return json.dumps(
        {
            "whole": changed is None,
            "parts": {"/".join(name): part(projection, *name) for name in names},
        }
    )


def part(projection, kind, key):
    match kind:
        case "run":
            return projection.run
        case "step":
            return next(step for step in projection.steps if step["key"] == key)
        case "log":
            return [projection.log_total, *(line.message for line in projection.log)]
        case _:
            return projection.items[kind].get(key)
