"""Steps of optimisers (ai.onnx.preview.training): models that go on learning have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tinsmith.compiler.ir.scalars import Expr, Tensor, call, literal, select
from tinsmith.compiler.operators.elementwise import FLOATS, check_type
from tinsmith.compiler.operators.node import Node, element
from tinsmith.compiler.operators.registry import operator

TRAINING = "ai.onnx.preview.training"

Step = Callable[[Node, Expr, Tensor, Sequence[Expr]], tuple[Expr, ...]]
"""New values of what is optimised and of its state, by rate, round and old values: x, gradient, state."""


def _optimiser(name: str, states: int) -> Callable[[Step], Step]:
    """Registers a step with `states` tensors of state per optimised tensor."""

    def register(step: Step) -> Step:
        @operator(name, domain=TRAINING)
        def rule(node: Node, rate: Tensor, count: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
            kinds = 2 + states
            if not given or len(given) % kinds:
                raise node.refuse(
                    f"{len(given)} tensors after the first two; a multiple of {kinds} is needed"
                )
            number = len(given) // kinds
            made = [_stepped(node, step, rate, count, given[start::number]) for start in range(number)]
            return tuple(tensors[kind] for kind in range(1 + states) for tensors in made)

        return step

    return register


def _stepped(
    node: Node, step: Step, rate: Tensor, count: Tensor, old: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    dtype = check_type(node, FLOATS, *old)
    if any(tensor.shape != old[0].shape for tensor in old):
        raise node.refuse(f"shapes {', '.join(str(tensor.shape) for tensor in old)} differ")

    def new(output: int) -> Tensor:
        def value(*i: Expr) -> Expr:
            return step(node, element(rate).cast(dtype), count, [tensor[i] for tensor in old])[output]

        return node.map(old[0].shape, value)

    return tuple(new(output) for output in range(len(old) - 1))


def _regularised(node: Node, x: Expr, gradient: Expr) -> Expr:
    return x * node.number("norm_coefficient", 0.0) + gradient


@_optimiser("Adagrad", 1)
def adagrad(node: Node, rate: Expr, count: Tensor, old: Sequence[Expr]) -> tuple[Expr, ...]:
    """Per element, the rate falls with the squares of all gradients so far."""
    x, gradient, squares = old
    slower = rate / (element(count).cast(x.dtype) * node.number("decay_factor", 0.0) + 1)
    gradient = _regularised(node, x, gradient)
    squares = squares + gradient * gradient
    return x - slower * gradient / (call("sqrt", squares) + node.number("epsilon", 0.0)), squares


@_optimiser("Momentum", 1)
def momentum(node: Node, rate: Expr, count: Tensor, old: Sequence[Expr]) -> tuple[Expr, ...]:
    """Gradients go on as they were; Nesterov's way looks one step ahead."""
    x, gradient, speed = old
    alpha, mode = node.number("alpha"), node.text("mode")
    gradient = _regularised(node, x, gradient)
    share = select(element(count) > 0, literal(node.number("beta"), x.dtype), literal(1, x.dtype))
    speed = speed * alpha + share * gradient
    if mode == "standard":
        return x - rate * speed, speed
    if mode == "nesterov":
        return x - rate * (gradient + speed * alpha), speed
    raise node.refuse(f"mode {mode}; standard or nesterov is needed")


@_optimiser("Adam", 2)
def adam(node: Node, rate: Expr, count: Tensor, old: Sequence[Expr]) -> tuple[Expr, ...]:
    """Momentum, divided by the root of the mean square, both without the bias of the first rounds."""
    x, gradient, speed, squares = old
    alpha, beta = node.number("alpha", 0.9), node.number("beta", 0.999)
    gradient = _regularised(node, x, gradient)
    speed = speed * alpha + gradient * (1 - alpha)
    squares = squares * beta + gradient * gradient * (1 - beta)
    rounds, one = element(count).cast(x.dtype), literal(1, x.dtype)
    fading = [one - call("pow", literal(number, x.dtype), rounds) for number in (alpha, beta)]
    adjusted = select(rounds > 0, rate * call("sqrt", fading[1]) / fading[0], rate)
    x = x - adjusted * (speed / (call("sqrt", squares) + node.number("epsilon", 1e-6)))
    return x * (1 - node.number("norm_coefficient_post", 0.0)), speed, squares
