"""The live stream of a run: server-sent events with whole states, for any number of
viewers.

    events.append --on commit--> hints --Redis--> relay
    rows --change counter--> relay --run ids--> hub --one reader--> frames --> viewers
    browser --> endpoint (ASGI, before Django) --gate--> hub

What a product has to do: call `use` with a renderer and a gate, mark its view with
`views.run_stream`, and put `endpoint.Streams` before its Django application.
"""

from apps.pipelines.stream.hooks import use

__all__ = ["use"]
