"""Many nodes in one library: each is compiled, executed and compared, and folded as a constant too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
from onnx import helper
from onnx.reference import ReferenceEvaluator

from tests.onnx_suite.cases import as_network, difference
from tests.onnx_suite.native import execute, host
from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.networks.emit import emit
from tinsmith.compiler.operators.lower import lower

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class _Check:
    node: onnx.NodeProto
    inputs: dict[str, Array]
    constants: dict[str, Array]
    expected: list[Array]
    folds: bool
    declared: bool
    tolerance: float


@dataclass
class Nodes:
    """Nodes of one opset. `add` them, then `run`."""

    folder: Path
    opset: int = 24
    _checks: list[_Check] = field(default_factory=list)

    def add(
        self,
        op: str,
        *inputs: Array | None,
        expected: Array | Sequence[Array] | None = None,
        constant: Sequence[int] = (),
        folds: bool = True,
        declared: bool = False,
        tolerance: float = 1e-6,
        domain: str = "",
        **attributes: Any,
    ) -> None:
        """A node; an input of None is left out. Without `expected`, onnx's reference says what comes out.

        `constant`: positions of inputs that are initializers. `declared`: the file tells the shape of the
        results. `folds`: with constants only, it becomes a constant. `tolerance`: relative, and absolute for
        results near 0; integers and truth values have to be equal.
        """
        number = len(self._checks)
        names = ["" if value is None else f"x{number}_{place}" for place, value in enumerate(inputs)]
        given = {
            name: np.asarray(value) for name, value in zip(names, inputs, strict=True) if value is not None
        }
        count = len(expected) if isinstance(expected, list | tuple) else 1
        outputs = [f"y{number}_{place}" for place in range(count)]
        node = helper.make_node(op, names, outputs, f"{op} {number}", domain=domain, **attributes)
        if expected is None:
            evaluator: Any = ReferenceEvaluator(self._model([node], given, {}, {outputs[0]: None}))
            with np.errstate(all="ignore"):
                wanted = evaluator.run(None, given)
        else:
            wanted = list(expected) if isinstance(expected, list | tuple) else [expected]
        constants = {names[place]: given.pop(names[place]) for place in constant}
        results = [np.asarray(value) for value in wanted]
        self._checks.append(_Check(node, given, constants, results, folds, declared, tolerance))

    def run(self) -> None:
        """Compiles, executes, folds and compares; raises AssertionError with all that differs."""
        problems = self._differences(self._executed(), "run")
        problems += self._differences(self._folded(), "folded")
        assert not problems, "\n".join(problems)

    def _executed(self) -> list[list[Array | None]]:
        inputs = {name: value for check in self._checks for name, value in check.inputs.items()}
        network = as_network(self._whole(inputs), list(inputs.values()))
        target = host()
        program = emit(network, target, self.folder)
        library = self.folder / target.library
        build(program, target, library)
        expected = [value for check in self._checks for value in check.expected]
        answers = iter(execute(library, network, list(inputs.values()), expected))
        return [[next(answers) for _ in check.expected] for check in self._checks]

    def _folded(self) -> list[list[Array | None]]:
        loops = lower(as_network(self._whole({}), []))
        answers = iter(tensor.value for tensor in loops.outputs)
        return [[next(answers) for _ in check.expected] for check in self._checks]

    def _differences(self, answers: list[list[Array | None]], how: str) -> list[str]:
        problems = []
        for check, results in zip(self._checks, answers, strict=True):
            where = f"{check.node.name}, {how}"
            if any(result is None for result in results):
                problems += [f"{where}: no constant"] if check.folds else []
                continue
            values = [result for result in results if result is not None]
            with np.errstate(invalid="ignore"):  # signalling NaNs
                problem = difference(values, check.expected, check.tolerance, check.tolerance)
            problems += [f"{where}: {problem}"] if problem else []
        return problems

    def _whole(self, inputs: dict[str, Array]) -> onnx.ModelProto:
        """One model; what is not among `inputs` is an initializer."""
        given = {
            name: value for check in self._checks for name, value in (check.inputs | check.constants).items()
        }
        constants = {name: value for name, value in given.items() if name not in inputs}
        outputs = {
            name: (value.dtype, value.shape if check.declared else None)
            for check in self._checks
            for name, value in zip(check.node.output, check.expected, strict=True)
        }
        return self._model([check.node for check in self._checks], inputs, constants, outputs)

    def _model(
        self,
        nodes: Sequence[onnx.NodeProto],
        inputs: dict[str, Array],
        constants: dict[str, Array],
        outputs: dict[str, Any],
    ) -> onnx.ModelProto:
        def of(dtype: np.dtype[Any]) -> int:
            return helper.np_dtype_to_tensor_dtype(dtype)

        graph = helper.make_graph(
            nodes,
            "nodes",
            [
                helper.make_tensor_value_info(name, of(value.dtype), value.shape)
                for name, value in inputs.items()
            ],
            [
                onnx.ValueInfoProto(name=name)
                if known is None
                else helper.make_tensor_value_info(name, of(known[0]), known[1])
                for name, known in outputs.items()
            ],
            [_initializer(name, value) for name, value in constants.items()],
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("ai.onnx.ml", 3)]
        return helper.make_model(graph, opset_imports=opsets)


def _initializer(name: str, value: Array) -> onnx.TensorProto:
    return onnx_ir.serde.serialize_tensor(onnx_ir.tensor(value, name=name))
