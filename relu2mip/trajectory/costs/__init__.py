"""Costs of a trajectory: L1, LInf, Quadratic, Network and Soft sets, and sums of them.

With states x[0] ... x[H] (x[0] given) and controls u[0] ... u[H - 1], each norm cost is

    sum_{t=1..H} |r[t]|_Q[t]  +  sum_{t=0..H-1} |u[t] - v[t]|_R[t]  +  |r[H]|_T  +  sum_t |u[t] - u[t-1]|_S[t] ,

where r[t] = C x[t] + d - target[t] (C = identity unless `keypoints` are given), v is `control_target`, Q, R, T, S are
the weights `state`, `control`, `terminal` and `control_rate`. Targets are a number, one entry a component, or a
reference by step, (H, size); weights other than T too. |v|_W is

    L1         sum_i W_i |v_i|                1 column and 2 rows an entry
    LInf       max_i W_i |v_i|                1 column a step, 2 rows an entry
    Quadratic  sum_i W_i v_i^2, or v' W v     1 column and 1 row an entry, squared in the objective

The change of control at t = 0 counts where the control before it is known (`previous_controls`).

    >>> import numpy as np
    >>> cost = L1(target=[1.0, 0.0], state=[2.0, 1.0], control=0.5)
    >>> states, controls = np.array([[[0.0, 0.0], [1.5, 1.0]]]), np.array([[[2.0]]])
    >>> cost.evaluate(states, controls, None).tolist()
    [3.0]
"""

from relu2mip.trajectory.costs.base import Cost, Sum, cost
from relu2mip.trajectory.costs.network import Network
from relu2mip.trajectory.costs.norms import L1, LInf, Quadratic
from relu2mip.trajectory.costs.soft import Soft

__all__ = ["L1", "Cost", "LInf", "Network", "Quadratic", "Soft", "Sum", "cost"]
