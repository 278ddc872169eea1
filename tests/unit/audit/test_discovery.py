import numpy as np

from audit.discovery import components, discovered_pairs, nearest_pairs


def test_a_pair_that_stands_out_is_discovered() -> None:
    """Forty of a hundred anchors labelled as one other class make a pair, in both directions."""
    anchors = np.diag([60.0, 100.0, 100.0, 100.0])
    anchors[0, 2] = 40
    expected = np.zeros((4, 4), dtype=bool)
    expected[0, 2] = expected[2, 0] = True
    assert np.array_equal(discovered_pairs(anchors), expected)


def test_even_noise_makes_no_pair() -> None:
    """Wrong labels spread evenly over all other classes are no groups."""
    rng = np.random.default_rng(0)
    anchors = np.stack([rng.multinomial(300, np.full(10, 0.03) + 0.7 * (np.arange(10) == k)) for k in range(10)])
    assert not discovered_pairs(anchors.astype(float)).any()


def test_clean_anchors_make_no_pair() -> None:
    """Without any wrong label there is nothing to discover, nor where there are no anchors."""
    assert not discovered_pairs(np.eye(5) * 100).any()
    assert not discovered_pairs(np.zeros((5, 5))).any()


def test_a_class_keeps_its_three_strongest() -> None:
    """A class that is confused with everything is not made a group of everything."""
    anchors = np.diag(np.full(40, 1000.0))
    anchors[0, 1:7] = [300, 250, 200, 150, 120, 100]
    assert np.flatnonzero(discovered_pairs(anchors)[0]).tolist() == [1, 2, 3]


def test_components_follow_chains() -> None:
    """Classes linked through others are one component, named by its smallest class."""
    pairs = np.zeros((6, 6), dtype=bool)
    for a, b in ((0, 4), (4, 2), (3, 5)):
        pairs[a, b] = pairs[b, a] = True
    assert components(pairs).tolist() == [0, 1, 0, 3, 0, 3]


def test_one_wrong_label_makes_no_nearest_pair() -> None:
    """A single row that is taken for another class says nothing of its label; a second one does."""
    p = np.tile(np.eye(40), (5, 1))
    given = p.argmax(axis=1)
    p[:1] = np.eye(40)[7]
    assert not nearest_pairs(p, given, 1).any()
    p[40:41] = np.eye(40)[7]
    assert np.argwhere(nearest_pairs(p, given, 1)).tolist() == [[0, 7], [7, 0]]


def test_nearest_pairs_are_the_likeliest() -> None:
    """Each label is paired with the classes that its rows are taken for most, and pairs go both ways."""
    p = np.full((6, 3), [0.5, 0.1, 0.4])
    pairs = nearest_pairs(p, np.array([0, 0, 1, 1, 1, 1]), 1)
    assert np.array_equal(pairs, [[False, True, True], [True, False, False], [True, False, False]])
