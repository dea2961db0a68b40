"""How well the Jacobians of a model recover the pattern of the true ones.

A pattern is a question for each entry: is it zero? |J| of the model is the score of the answer "no". The area under the
precision-recall curve (as average precision) needs no threshold for the model; for a score that knows nothing it is the
share of entries that are not zero. *Local*: an answer for each entry at each state. *Static*: the local area of the
best score that knows nothing of the state, the share of states at which an entry is there; only a model above it knows
where things depend on the state. *Global*: an answer for each entry over all states, by the largest |J|.
*Calibration* asks with the same threshold for both: the share of zeros that a model shows beside the true one, over
thresholds. The diagonal of ∂s′/∂s is left out, which every model of changes gets right.

Source: Davis, Goadrich, "The Relationship Between Precision-Recall and ROC Curves" (ICML 2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from relu2mip.analysis.measures import THRESHOLDS
from relu2mip.arrays import Array, Mask


@dataclass(frozen=True, eq=False)
class Recovery:
    """The recovery of a pattern: areas under precision-recall curves and what chance has, NaN where nothing is zero.

    local_static: the area of the best score that knows nothing of the state.

    calibration: (thresholds, 2): the true share of zeros and that of the model, at `measures.THRESHOLDS`.
    """

    local: float
    local_chance: float
    local_static: float
    everywhere: float
    everywhere_chance: float
    calibration: Array

    @property
    def miscalibration(self) -> float:
        """The mean difference of the two shares over thresholds."""
        return float(np.abs(self.calibration[:, 0] - self.calibration[:, 1]).mean())

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        made = {name: value for name, value in vars(self).items() if name != "calibration"}
        return {**made, "miscalibration": self.miscalibration, "calibration": self.calibration.tolist()}


def recovery(found: Array, true: Array, threshold: float) -> Recovery:
    """Of normalised Jacobians of a model (N, n, n + m) beside the true ones at the same states.

    >>> import numpy as np
    >>> true = np.array([[[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]])
    >>> recovery(0.9 * true + 1e-4, true, 1e-3).local, recovery(1 - true, true, 1e-3).local
    (1.0, 0.5)
    """
    kept = np.eye(*true.shape[1:]) == 0
    model, truth = np.abs(found)[:, kept], np.abs(true)[:, kept]
    there: Mask = truth > threshold
    shares = [[(sizes <= t).mean() for sizes in (truth, model)] for t in THRESHOLDS]
    return Recovery(
        *average_precision(model.ravel(), there.ravel()),
        average_precision(np.broadcast_to(there.mean(axis=0), there.shape).ravel(), there.ravel())[0],
        *average_precision(model.max(axis=0), np.asarray(there.any(axis=0))),
        np.array(shares),
    )


def average_precision(scores: Array, there: Mask) -> tuple[float, float]:
    """The area under the precision-recall curve, ties taken together, and that of chance; NaN where all are alike."""
    if there.all() or not there.any():
        return float("nan"), float(there.mean())
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(there[order])
    last = np.r_[np.diff(scores[order]) != 0, True]  # of those with the same score
    hits, count = hits[last], np.flatnonzero(last) + 1
    recall = hits / hits[-1]
    return float((np.diff(recall, prepend=0.0) * hits / count).sum()), float(there.mean())
