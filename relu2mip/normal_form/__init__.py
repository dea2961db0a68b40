"""The normal form: any piecewise-linear network as affine maps, ReLUs and maxima over flat vectors."""

from relu2mip.normal_form.builder import FormBuilder
from relu2mip.normal_form.form import NormalForm
from relu2mip.normal_form.values import Affine, Input, Max, Place, Relu, Value

__all__ = ["Affine", "FormBuilder", "Input", "Max", "NormalForm", "Place", "Relu", "Value"]
