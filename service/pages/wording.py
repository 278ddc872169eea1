"""Numbers in the words of the pages; ``static/format.js`` has the same for what is filled in later."""

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


def headline(rate: Interval) -> str:
    """The noise rate in one sentence."""
    if rate["high"] < 0.005:
        return "These labels are as good as clean"
    if rate["low"] < 0.0005:
        return f"Up to {percent(rate['high'], 0)} of these labels may be wrong"
    return f"About {percent(rate['estimate'], 0 if rate['estimate'] >= 0.095 else 1)} of these labels are wrong"


def judged_by(evidence: str, model: AuditModel | None) -> str:
    """What the labels were judged by."""
    name = f"{model['name']}, version {model['version']}" if model else None
    if evidence == "reference":
        return f"by the model {name}" if name else "by the probabilities in the file"
    others = "by what all other labels say of such images"
    return f"{others}, as {name}, sees them" if name else others


def asymmetry(found: Asymmetry) -> str:
    """The verdict on asymmetry in one sentence."""
    excess = found["excess"]
    span = f"{percent(max(excess['low'], 0))} to {percent(max(excess['high'], 0))}"
    match found["verdict"]:
        case "asymmetric":
            return (
                f"Look-alikes are mixed up: {percent(excess['estimate'])} of the labels ({span}) name a similar class, "
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


def hard_images(found: ImageDependent) -> str:
    """How much gathers on hard images, in one sentence."""
    if found["share"] < 0.005:
        return f"Wrong labels don't gather on hard images (at most {percent(found['high'], 0)} of them do)."
    return (
        f"{percent(found['share'], 0)} of the wrong labels ({percent(found['low'], 0)} to {percent(found['high'], 0)}) "
        "gather on images that are hard to tell, whatever their class."
    )
