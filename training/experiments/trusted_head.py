"""A linear head on a network that knows groups: what a few right labels make of its embedding."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
FOLDS = 5


def fit_trusted_head(
    network: nn.Module, images: Iterable[Tensor], truth: NDArray[np.int64], membership: NDArray[np.bool_], *, seed: int
) -> Callable[[nn.Module, Tensor], Tensor]:
    """Fit a logistic regression on the embeddings of trusted samples, ``[n]`` in batches; returns what predicts by it.

    The network, in evaluation mode, says how likely each group is (``membership`` ``[K, K]``, a partition), the head
    how likely each class inside it. The penalty is the best in a cross-validation on the trusted samples.
    """
    with torch.inference_mode():
        x = torch.cat([network(batch)[1] for batch in images]).clone()
    y, groups = torch.from_numpy(truth).to(x.device), torch.from_numpy(membership).to(x.device)
    mean, std = x.mean(dim=0), x.std(dim=0) + 1e-6
    x = (x - mean) / std
    fold = torch.from_numpy(np.random.default_rng(seed).permutation(len(y)) % FOLDS).to(x.device)

    def inside(outputs: Tensor, classes: Tensor) -> Tensor:
        """Log-log_p of the classes inside the groups of the true ones."""
        return F.log_softmax(outputs.masked_fill(~groups[classes], -torch.inf), dim=1)

    def fit(which: Tensor, penalty: float) -> nn.Linear:
        head = nn.Linear(x.shape[1], len(groups), device=x.device)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        optimizer = torch.optim.LBFGS(head.parameters(), max_iter=100, line_search_fn="strong_wolfe")

        def step() -> Tensor:
            optimizer.zero_grad()
            loss = F.nll_loss(inside(head(x[which]), y[which]), y[which]) + penalty * head.weight.square().sum() / 2
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(step)  # type: ignore[no-untyped-call]
        return head.requires_grad_(False)

    def error(penalty: float) -> float:
        parts = [(fit(fold != k, penalty), fold == k) for k in range(FOLDS)]
        return sum(F.nll_loss(inside(head(x[out]), y[out]), y[out], reduction="sum").item() for head, out in parts)

    head = fit(torch.ones_like(fold, dtype=torch.bool), min(PENALTIES, key=error))

    def predict(network: nn.Module, images: Tensor) -> Tensor:
        outputs, embedding = network(images)
        within = head((embedding - mean) / std)
        # log P(group) + log P(class | group), where the sums over groups are sums over the classes in them
        mass = torch.logsumexp(outputs[:, None, :].masked_fill(~groups, -torch.inf), dim=2)
        share = within - torch.logsumexp(within[:, None, :].masked_fill(~groups, -torch.inf), dim=2)
        log_p: Tensor = mass + share
        return log_p

    return predict
