"""How many connections the operating system's bound on open files leaves room for."""

import logging
import resource

from service.http.protocol import PLACES_BEYOND

_OTHERS = PLACES_BEYOND + 256
"""Files beside the connections: those beyond the wall, models, uploads, the database's."""

_log = logging.getLogger("lookalike.server")


def room_for(connections: int) -> int:
    """Raise the bound as far as it is needed and allowed; return how many of the connections fit, at least one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OTHERS
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    fitting = max(1, soft - _OTHERS)
    _log.warning(
        "LOOKALIKE_MAX_CONNECTIONS=%d does not fit into %d open files: %d are taken; raise `ulimit -n`, or lower it",
        connections,
        soft,
        fitting,
    )
    return fitting
