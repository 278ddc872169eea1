import numpy as np

from audit.likely_classes import likely_classes


def test_few_classes_stand_for_themselves() -> None:
    """Up to 32 classes all take part in the fit, each once."""
    p = np.random.default_rng(0).dirichlet(np.ones(32), size=5)
    classes, sizes = likely_classes(p, np.zeros(5, dtype=np.intp))
    assert np.array_equal(classes, np.tile(np.arange(32), (5, 1)))
    assert (sizes == 1).all()


def test_a_few_dozen_stand_for_a_thousand() -> None:
    """The label is always among them, none twice, and together they weigh what all classes do."""
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.full(1000, 0.05), size=2000)
    given = rng.integers(1000, size=2000)
    classes, sizes = likely_classes(p, given)
    assert classes.shape[1] < 32
    assert (classes == given[:, None]).any(axis=1).all()
    assert all(len(set(row)) == len(row) for row in classes.tolist())
    for power in (0.7, 1.0, 1.5):
        kept = (sizes * np.take_along_axis(p, classes, axis=1) ** power).sum(axis=1)
        assert 0.9 < np.median(kept / (p**power).sum(axis=1)) < 1.1


def test_a_label_of_middling_rank_leaves_its_stratum_whole() -> None:
    """Whatever the rank of the label, all classes are counted, each once, and none weighs more for it."""
    K = 200
    p = np.tile(np.arange(K, 0, -1.0), (K, 1))
    p /= p.sum(axis=1, keepdims=True)
    given = np.arange(K)
    classes, sizes = likely_classes(p, given)
    assert (sizes.sum(axis=1) == K).all()
    assert (sizes[classes == given[:, None]] == 1).all()
    assert np.abs((sizes * np.take_along_axis(p, classes, axis=1)).sum(axis=1) - 1).max() < 0.02
