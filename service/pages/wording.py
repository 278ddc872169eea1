"""Numbers in the words of the pages; ``static/format.js`` has the same for what is filled in later."""

from audit.report import EvidenceKind
from service.audits.report import Asymmetry, AuditModel, ImageDependent, Interval


def percent(share: float, digits: int = 1) -> str:
    """A share as "58.2 %"; never a round 0 or 100 that is not quite so."""
    value, least = share * 100, 10.0**-digits
    if 0 < value < least:
        return f"< {least:g} %"
    if 100 - least < value < 100:
        return f"> {100 - least:.{digits}f} %"
    return f"{value:.{digits}f} %"


def count(number: float) -> str:
    """A whole number as "12,345"."""
    return f"{number:,.0f}"


def headline(rate: Interval, flagged: int) -> str:
    """The noise rate in one sentence."""
    if rate["high"] < 0.005:
        return "These labels are as good as clean"
    if not flagged:
        return "No label stands out"
    if may_be_clean(rate):
        return f"Up to {percent(rate['high'], 0)} of these labels may be wrong"
    return f"About {percent(rate['estimate'], 0 if rate['estimate'] >= 0.095 else 1)} of these labels are wrong"


def may_be_clean(rate: Interval) -> bool:
    """Whether the interval of the noise rate reaches down to none."""
    return rate["low"] < 0.0005


def judged_by(evidence: EvidenceKind, model: AuditModel | None) -> str:
    """What the labels were judged by."""
    if model is None:
        return "by the probabilities in the file"
    name = f"{model['name']}, version {model['version']}"
    if evidence == "reference":
        return f"by the model {name}"
    return f"by what all other labels say of such images, as {name}, sees them"


def asymmetry(found: Asymmetry, rate: Interval) -> str:
    """The verdict on asymmetry in one sentence; a part of the wrong labels is not said to be more than all of them."""
    excess = found["excess"]
    match found["verdict"]:
        case "asymmetric" if excess["estimate"] > rate["estimate"]:
            return "Look-alikes are mixed up, beyond what chance and the model's own mistakes explain."
        case "asymmetric":
            high = min(excess["high"], rate["high"])
            return (
                f"Look-alikes are mixed up: {percent(excess['estimate'])} of the labels "
                f"({percent(max(excess['low'], 0))} to {percent(high)}) name a similar class, "
                "beyond what chance and the model's own mistakes explain."
            )
        case "symmetric":
            return (
                "Wrong labels are spread over all classes: look-alikes are mixed up no more than chance and the "
                "model's own mistakes explain."
            )
        case "clean":
            return "There are too few wrong labels, if any, to say which classes are mixed up."
        case _:
            return (
                "It can't be said whether look-alikes are mixed up: fewer than 500 rows were judged, or the groups "
                "leave nothing to compare."
            )


_TELLS_NOTHING = 0.5
"""An upper bound on what gathers on hard images, from which on none found doesn't mean that there is none."""


def hard_images(found: ImageDependent, rate: Interval, evidence: EvidenceKind) -> str | None:
    """How much gathers on hard images, in one sentence; None where no label is wrong that could."""
    if may_be_clean(rate):
        return None
    if evidence == "cross_validated" or (found["share"] < 0.005 and found["high"] > _TELLS_NOTHING):
        return "Whether wrong labels gather on images that are hard to tell can't be told here."
    if found["share"] < 0.005:
        return f"Wrong labels don't gather on hard images (at most {percent(found['high'], 0)} of them do)."
    return (
        f"{percent(found['share'], 0)} of the wrong labels ({percent(found['low'], 0)} to {percent(found['high'], 0)}) "
        "gather on images that are hard to tell, whatever their class."
    )
