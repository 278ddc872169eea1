"""Numbers in the words of the pages; ``static/format.js`` has the same for what is filled in later."""

from service.audits.report import Asymmetry, ImageDependent, Interval


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


def asymmetry(found: Asymmetry) -> str:
    """The verdict on asymmetry in one sentence."""
    excess = found["excess"]
    span = f"{percent(max(excess['low'], 0))} to {percent(max(excess['high'], 0))}"
    match found["verdict"]:
        case "asymmetric":
            return (
                f"Labels are mistaken for similar classes: {percent(excess['estimate'])} of them ({span}) flip inside "
                "a group, beyond what chance and the model's own confusion explain."
            )
        case "symmetric":
            return (
                "The mistakes show no preference for similar classes: what flips inside the groups is no more than "
                "chance and the model's own confusion explain."
            )
        case "clean":
            return "There are too few wrong labels, if any, to ask whom they are mistaken for."
        case _:
            return (
                "It can't be said whether labels are mistaken for similar classes: fewer than 500 rows were scored, or "
                "the groups leave nothing to compare."
            )


def hard_images(found: ImageDependent) -> str:
    """How much gathers on hard images, in one sentence."""
    if found["share"] < 0.005:
        return f"Wrong labels don't gather on hard images (at most {percent(found['high'], 0)} of them do)."
    return (
        f"{percent(found['share'], 0)} of the wrong labels ({percent(found['low'], 0)} to {percent(found['high'], 0)}) "
        "gather on images that are hard to tell, whatever their class."
    )
