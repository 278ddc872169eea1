"""The tables of docs/experiments.md."""

from training.experiments.fine_tuning import as_they_are, one_hot, own_predictions
from training.experiments.methods import (
    audit,
    ceiling,
    group_labels,
    oversampled,
    strong,
    swapped,
    trusted_alone,
    with_loss,
)
from training.experiments.table import Column, Row, Table


def _asymmetric(ratio: float, seeds: int, trusted: int = 1000) -> Column:
    few = "" if trusted == 1000 else f", {trusted} trusted"
    return Column(f"{ratio:g}{few}", f"asymmetric:{ratio:g}", trusted, seeds)


STRONG = Table(
    "Flips inside pairs, both directions, 1,000 trusted samples that keep what they were labelled before",
    "verified",
    (
        Row("`strong`", "strong", strong),
        Row("`strong` with the rates of an audit", "audit", audit, most_seeds=1),
        Row("the paper's log-projection", "lp", with_loss("lp")),
        Row("cross-entropy", "ce", with_loss("ce")),
        Row("cross-entropy on clean labels (ceiling)", "ceiling", ceiling, sees_flips=False, trusted=1000),
        Row("group labels, head fitted on trusted", "group-labels", group_labels, sees_flips=False),
        Row("cross-entropy, labels corrected by the likeliest swap", "swapped", swapped),
        Row("log-projection, trusted oversampled", "lp-oversampled", oversampled("lp"), most_seeds=1),
        Row("trusted samples alone", "trusted-alone", trusted_alone, sees_flips=False),
    ),
    (
        _asymmetric(0.5, 3),
        _asymmetric(0.4, 3),
        _asymmetric(0.8, 3),
        _asymmetric(0.2, 1),
        _asymmetric(0, 1),
        _asymmetric(0.8, 1, trusted=100),
    ),
)

_COLUMNS = (_asymmetric(0.8, 3), _asymmetric(0.4, 3), _asymmetric(0, 1), _asymmetric(0.2, 1))
_SYMMETRIC = tuple(
    Column(column.title, column.noise.replace("asymmetric", "symmetric"), 1000, 1) for column in _COLUMNS
)
_BY_TRUSTED = (
    Row("CE", "ce", with_loss("ce")),
    Row("LP, M = 10k", "lp", with_loss("lp"), trusted=10_000),
    Row("LP, M = 1k", "lp", with_loss("lp")),
    Row("LP, M = 0.1k", "lp", with_loss("lp"), trusted=100),
)
_AS_THEY_CAME = (Column("labels as they came", "none", 0, 1),)

TABLES = {
    "strong-table": STRONG,
    "table1": Table(
        "The paper's Table 1 carried over: asymmetric noise, 1,000 trusted samples",
        "paper",
        (
            Row("CE", "ce", with_loss("ce")),
            Row("pCE", "pce", with_loss("pce")),
            Row("L1", "pl1", with_loss("pl1")),
            Row("MSE", "pmse", with_loss("pmse")),
            Row("P", "p", with_loss("p")),
            Row("LP", "lp", with_loss("lp")),
        ),
        _COLUMNS,
        recipe="brief",
    ),
    "table2": Table(
        "The paper's Table 2 carried over: asymmetric noise, by the size of the trusted set",
        "paper",
        _BY_TRUSTED,
        tuple(Column(column.title, column.noise, column.trusted, 1) for column in _COLUMNS),
        recipe="brief",
    ),
    "table3": Table(
        "The paper's Table 3 carried over: symmetric noise, by the size of the trusted set",
        "paper",
        _BY_TRUSTED,
        _SYMMETRIC,
        recipe="brief",
    ),
    "table4": Table(
        "The paper's Table 4: ImageNet, ResNet-50 fine-tuned",
        "paper",
        (
            Row("published weights", "published", as_they_are),
            Row("LP, confidence labels of their own predictions", "lp-own-predictions", own_predictions),
            Row("LP, one-hot labels", "lp-one-hot", one_hot),
        ),
        _AS_THEY_CAME,
        data_set="imagefolder",
        recipe="paper-imagenet-finetune",
        weights="imagenet",
    ),
    "table5": Table(
        "The paper's Table 5: Food-101N, ResNet-50 fine-tuned, tested on Food-101",
        "paper",
        (Row("LP, one-hot labels", "lp-one-hot", one_hot),),
        _AS_THEY_CAME,
        data_set="food101n",
        recipe="paper-food101n",
        weights="imagenet",
    ),
}
