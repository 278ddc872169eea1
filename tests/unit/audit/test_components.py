"""Connected components, whatever the batches their edges come in."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audit.components import Components

NODES = 30
EDGES = st.lists(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)), max_size=40)


@given(st.lists(EDGES, max_size=4))
def test_roots_are_the_smallest_nodes_that_can_be_reached(batches: list[list[tuple[int, int]]]) -> None:
    """Two nodes have one root exactly where edges of any batches lead from one to the other."""
    components = Components(NODES)
    expected = np.arange(NODES)
    for batch in batches:
        edges = np.array(batch, dtype=np.intp).reshape(-1, 2)
        components.link(edges[:, 0], edges[:, 1])
        for a, b in batch:
            joined = np.isin(expected, expected[[a, b]])
            expected[joined] = expected[joined].min()
        np.testing.assert_array_equal(components.roots(), expected)


def test_a_chain_of_any_length_is_one_component() -> None:
    """Half a million nodes in a row, in mixed order, are joined in steps that grow with the logarithm only."""
    n = 500_000
    order = np.random.default_rng(0).permutation(n - 1)
    components = Components(n)
    components.link(order, order + 1)
    assert not components.roots().any()
