"""Objectives: how a base score becomes a margin, and a margin a prediction."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.xgboost.saved import Saved
from tinsmith.compiler.ir.model import Transform
from tinsmith.errors import ClientError


class Link(Enum):
    """ProbToMargin of XGBoost's objectives: from the base score that the user gave to a margin."""

    IDENTITY = "identity"
    LOGIT = "logit"
    LOG = "log"
    RAW_LOGIT = "raw logit"
    """Of binary:logitraw: logit before 1.4, identity since."""


@dataclass(frozen=True)
class Objective:
    """One row of the table below."""

    link: Link = Link.IDENTITY
    transform: Transform = Transform.IDENTITY


_PLAIN = Objective()
_LOGISTIC = Objective(Link.LOGIT, Transform.SIGMOID)
_LOG = Objective(Link.LOG, Transform.EXP)

OBJECTIVES = {
    "reg:squarederror": _PLAIN,
    "reg:linear": _PLAIN,
    "reg:squaredlogerror": _PLAIN,
    "reg:pseudohubererror": _PLAIN,
    "reg:absoluteerror": _PLAIN,
    "reg:quantileerror": _PLAIN,
    "reg:logistic": _LOGISTIC,
    "binary:logistic": _LOGISTIC,
    "binary:logitraw": Objective(Link.RAW_LOGIT),
    "binary:hinge": Objective(Link.IDENTITY, Transform.HINGE),
    "multi:softmax": Objective(Link.IDENTITY, Transform.ARGMAX),
    "multi:softprob": Objective(Link.IDENTITY, Transform.SOFTMAX),
    "count:poisson": _LOG,
    "reg:gamma": _LOG,
    "reg:tweedie": _LOG,
    "survival:cox": _LOG,
    "survival:aft": _LOG,
    "rank:pairwise": _PLAIN,
    "rank:ndcg": _PLAIN,
    "rank:map": _PLAIN,
}

_EPSILON = np.float32(1e-6)  # kRtEps
_TRANSFORMED_BASE = (1, 0)  # first version that saves the base score as the user gave it
_RAW_IDENTITY = (1, 4)  # first version in which binary:logitraw takes its base score for a margin
_BOUNDED = (3, 2)  # first version that keeps the base score of logistic objectives off 0 and 1


def objective_of(saved: Saved) -> Objective:
    """The objective of `saved`; raises ClientError ("OperatorNotImplemented") when it is not known."""
    problems = objective_problems(saved.objective, saved.place)
    if problems:
        raise ClientError("OperatorNotImplemented", problems)
    return OBJECTIVES[saved.objective.removeprefix("gpu:")]


def objective_problems(name: str, place: str) -> list[str]:
    """That the objective `name` of the file `place` is not known, if so."""
    if name.removeprefix("gpu:") in OBJECTIVES:
        return []
    known = ", ".join(sorted(OBJECTIVES))
    return [f"{place}: the objective {name!r:.80} is not known; known are {known}."]


def base_margin(saved: Saved, objective: Objective) -> NDArray[np.float32]:
    """(num_outputs,) what the sums start from, bit for bit as the library that saved the model has it.

    Raises ClientError ("InputConfiguration") for a base score outside the objective's domain.
    """
    score = saved.base_score
    if saved.version >= _TRANSFORMED_BASE:
        score = np.array([_margin(value, objective.link, saved) for value in score], np.float32)
    if score.size not in (1, saved.num_outputs):
        text = f"{saved.place}: base_score has {score.size} values, expected 1 or {saved.num_outputs}."
        raise ClientError("InputConfiguration", text)
    return np.array(np.broadcast_to(score, saved.num_outputs), np.float32)


def _margin(score: np.float32, link: Link, saved: Saved) -> np.float32:
    if link is Link.RAW_LOGIT:
        link = Link.IDENTITY if saved.version >= _RAW_IDENTITY else Link.LOGIT
    if link is Link.IDENTITY:
        return score
    if link is Link.LOG:
        return _logf(score, saved)
    if saved.version >= _BOUNDED:
        score = np.clip(score, _EPSILON, np.float32(1) - _EPSILON)
    with np.errstate(divide="ignore"):
        return -_logf(np.float32(1) / score - np.float32(1), saved)


def _logf(value: np.float32, saved: Saved) -> np.float32:
    if not value >= 0:
        found = f"{saved.place}: base_score {saved.base_score.tolist()}"
        raise ClientError("InputConfiguration", f"{found} is outside the domain of {saved.objective}.")
    if value in (0, np.inf):
        return np.float32(-np.inf if value == 0 else np.inf)
    return np.float32(_LOGF(float(value)))


def _find_logf() -> Callable[[float], float]:
    """The logf of the C library, which is the one that XGBoost calls: its last bit is part of the margin.
    Elsewhere the correctly rounded logarithm."""
    try:
        function = ctypes.CDLL("libm.so.6").logf
    except (OSError, AttributeError):
        return math.log
    function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
    return function


_LOGF = _find_logf()
