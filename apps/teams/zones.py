"""Look up time zones by name. The names of the IANA database change, so one that was
once chosen may be gone.
"""

import logging
from functools import cache
from zoneinfo import ZoneInfo

logger = logging.getLogger(__name__)


@cache
def zone_or_utc(name: str) -> ZoneInfo:
    """Return the zone, or UTC if neither the system nor the package tzdata knows the
    name.

    Example:
        zone_or_utc("Europe/Berlin")    # ZoneInfo(key="Europe/Berlin")
        zone_or_utc("Atlantis/Port")    # ZoneInfo(key="UTC"), and one warning
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # The name is not there, is no path of a zone, or is a folder of zones.
        logger.warning(
            "The time zone %r is unknown here; its teams' weeks are those of UTC.", name
        )
        return ZoneInfo("UTC")
