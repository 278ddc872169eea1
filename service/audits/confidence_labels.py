"""Confidence labels from an audit's report: what a given label says of the true class."""

import json

import numpy as np

from audit.confidence_labels import confidence_labels
from models.confidence_labels import ConfidenceLabels, from_groups
from models.errors import LookalikeError
from models.groups import SimilarityGroups

OWN_TRUSTED = 0.95
"""Confidence in the label itself where it was verified."""


class ReportError(LookalikeError):
    """The file is no report of an audit."""


def labels_from_report(report: bytes, *, own_trusted: float = OWN_TRUSTED) -> ConfidenceLabels:
    """Take the columns of the report's transition matrix; raises ``ReportError`` for any other document."""
    try:
        document = json.loads(report)
        classes, rates = document["transition"]["classes"], np.array(document["transition"]["rates"], dtype=np.float64)
        groups = SimilarityGroups.from_lists(classes, document["groups"])
        untrusted = confidence_labels(rates)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ReportError(f"not the report of an audit: {error}") from error
    trusted = from_groups(groups, own_trusted=own_trusted).trusted
    return ConfidenceLabels(classes=classes, untrusted=tuple(map(tuple, untrusted.tolist())), trusted=trusted)
