import time
from datetime import datetime
from zoneinfo import ZoneInfo


def current_time(zone: str = "UTC") -> str:
    """Tell the date and the time of day.

    Args:
        zone: An IANA time zone, such as "Europe/Berlin".
    """
    if zone == "UTC":  # known even where the system has no list of zones
        return time.strftime("%A, %Y-%m-%d %H:%M:%S UTC", time.gmtime())
    try:
        now = datetime.now(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        message = f"no time zone {zone!r} is known here; ask for UTC, or Europe/Berlin"
        raise ValueError(message) from None
    return now.strftime("%A, %Y-%m-%d %H:%M:%S %Z (UTC%z)")
