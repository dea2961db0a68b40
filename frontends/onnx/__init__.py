"""The ONNX frontend: files to graphs, and the original files run again through onnxruntime.

>>> from relu2mip.frontends.onnx import supported_ops
>>> dict(supported_ops())["Clip"]
(6, 11)
"""

from relu2mip.frontends.onnx.convert import load_onnx
from relu2mip.frontends.onnx.registry import supported_ops
from relu2mip.frontends.onnx.replay import Replay

__all__ = ["Replay", "load_onnx", "supported_ops"]
