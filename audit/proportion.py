"""The share of successes among trials, with Wilson's interval."""

import math

from audit.interval import Interval

_Z = 1.959963984540054


def proportion(successes: int, trials: int) -> Interval | None:
    """Estimate a share; None where nothing was tried. E. B. Wilson (1927), J. Am. Stat. Assoc. 22:209."""
    if not trials:
        return None
    share, z2 = successes / trials, _Z**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return Interval(share, min(middle - half, share), max(middle + half, share))
