"""Load and run the libraries that Tinsmith compiles.

model = tinsmith_runtime.load("model-ml_c5.tar.gz")
model.run({"data": rows})
"""

from .errors import ArtifactError, InputError, PredictionError, RuntimeFault
from .loader import load
from .manifest import Manifest, Target, Tensor
from .model import Model

__all__ = [
    "ArtifactError",
    "InputError",
    "Manifest",
    "Model",
    "PredictionError",
    "RuntimeFault",
    "Target",
    "Tensor",
    "load",
]
