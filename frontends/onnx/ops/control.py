"""Control flow that does not depend on the inputs: If with a constant condition is the branch it takes."""

from __future__ import annotations

from collections.abc import Sequence

from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Tensor, Variable


@converter("If", since=1, on_constants=True)
def if_(call: Call) -> Sequence[Tensor | None]:
    """The taken branch, inlined; None for what is refused inside it."""
    then_branch, else_branch = call.attribute("then_branch"), call.attribute("else_branch")
    if isinstance(call.value(0), Variable):
        call.refuse("its condition depends on the network's inputs", "Only a constant condition can be compiled")
    condition = call.constant(0)
    if condition.size != 1:
        call.fail(f"needs a condition with one entry, not {condition.size}")
    assert call.inline is not None
    return call.inline(then_branch if condition.item() else else_branch)
