"""Models of every kind, trained by the real library, agree with it bit for bit."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import Forest, Linear, Model, Transform
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.errors import ClientError

Read = Callable[..., Model]
Agree = Callable[[xgboost.Booster, Model, NDArray[np.float32]], None]
Rows = Callable[..., NDArray[np.float32]]

RNG = np.random.default_rng(3)
DATA = np.round(RNG.normal(size=(400, 6)), 2).astype(np.float32)
TARGET = DATA[:, 0] - DATA[:, 1] * DATA[:, 2] + np.abs(DATA[:, 3])
DATA[RNG.random(DATA.shape) < 0.1] = np.nan
POSITIVE = np.abs(TARGET) + 0.1
BINARY = (TARGET > 0.5).astype(np.float32)
CLASSES = np.digitize(TARGET, [-0.5, 0.5, 1.5]).astype(np.float32)
PAIR = np.stack([TARGET, -TARGET + DATA[:, 4].clip(-1, 1)], axis=1)
PAIR[np.isnan(PAIR)] = 0


def train(label: Any, rounds: int = 6, data: Any = None, **parameters: Any) -> xgboost.Booster:
    """A booster of our data; `data` are further arguments of DMatrix."""
    matrix = xgboost.DMatrix(DATA, label, nthread=1, **(data or {}))
    parameters = {"max_depth": 4, "nthread": 1, "seed": 1, "verbosity": 0, **parameters}
    return xgboost.train(parameters, matrix, rounds)


OBJECTIVES: dict[str, tuple[Any, dict[str, Any]]] = {
    "reg:squarederror": (TARGET, {}),
    "reg:squaredlogerror": (POSITIVE, {}),
    "reg:pseudohubererror": (TARGET, {}),
    "reg:absoluteerror": (TARGET, {}),
    "reg:quantileerror": (TARGET, {"quantile_alpha": [0.1, 0.5, 0.9]}),
    "reg:logistic": (BINARY, {"base_score": 0.37}),
    "binary:logistic": (BINARY, {}),
    "binary:logitraw": (BINARY, {"base_score": 0.4}),
    "binary:hinge": (BINARY, {}),
    "multi:softmax": (CLASSES, {"num_class": 4}),
    "multi:softprob": (CLASSES, {"num_class": 4}),
    "count:poisson": (np.floor(POSITIVE), {}),
    "reg:gamma": (POSITIVE, {}),
    "reg:tweedie": (POSITIVE, {"tweedie_variance_power": 1.3}),
    "survival:cox": (POSITIVE * np.where(BINARY, 1, -1), {}),
}


TREES_ONLY = ("reg:absoluteerror", "reg:quantileerror")


@pytest.mark.parametrize(
    ("objective", "booster"),
    [
        (objective, booster)
        for objective in OBJECTIVES
        for booster in ("gbtree", "dart", "gblinear")
        if booster != "gblinear" or objective not in TREES_ONLY
    ],
)
def test_every_objective_and_booster(
    read_files: Read, agree: Agree, make_rows: Rows, objective: str, booster: str
) -> None:
    label, parameters = OBJECTIVES[objective]
    if booster == "dart":
        parameters = {**parameters, "rate_drop": 0.4}
    if booster == "gblinear":
        parameters = {**parameters, "updater": "coord_descent", "max_depth": None}
    parameters = {key: value for key, value in parameters.items() if value is not None}
    trained = train(label, objective=objective, booster=booster, **parameters)
    for form in ("json", "ubj"):
        model = read_files(trained.save_raw(form))
        assert model.kind == f"{booster} {objective}"
        assert model.producer == f"xgboost {xgboost.__version__}"
        assert isinstance(model.body, Linear if booster == "gblinear" else Forest)
        agree(trained, model, make_rows(model))


@pytest.mark.parametrize("objective", ["rank:pairwise", "rank:ndcg", "rank:map"])
def test_ranking(read_files: Read, agree: Agree, make_rows: Rows, objective: str) -> None:
    trained = train(BINARY, objective=objective, data={"qid": np.repeat(np.arange(20), 20)})
    model = read_files(trained.save_raw("ubj"))
    agree(trained, model, make_rows(model))


@pytest.mark.parametrize("distribution", ["normal", "logistic", "extreme"])
def test_accelerated_failure_time(read_files: Read, agree: Agree, make_rows: Rows, distribution: str) -> None:
    bounds = {"label_lower_bound": POSITIVE, "label_upper_bound": np.where(BINARY, POSITIVE, np.inf)}
    trained = train(
        None, objective="survival:aft", aft_loss_distribution=distribution, base_score=0.8, data=bounds
    )
    model = read_files(trained.save_raw("json"))
    agree(trained, model, make_rows(model))


@pytest.mark.parametrize(
    "parameters",
    [
        {"tree_method": "exact"},
        {"tree_method": "approx"},
        {"tree_method": "hist", "grow_policy": "lossguide", "max_leaves": 40, "max_depth": 0},
        {"tree_method": "exact", "gamma": 5.0, "max_depth": 7},
        {"num_parallel_tree": 3, "subsample": 0.5, "objective": "binary:logistic"},
        {"num_parallel_tree": 2, "subsample": 0.5, "objective": "multi:softprob", "num_class": 2},
        {"max_depth": 1},
        {"gamma": 1e9},
        {"booster": "dart", "rate_drop": 0.9, "normalize_type": "forest", "one_drop": True},
    ],
    ids=str,
)
def test_every_shape_of_tree(
    read_files: Read, agree: Agree, make_rows: Rows, parameters: dict[str, Any]
) -> None:
    trained = train(BINARY, rounds=12, **parameters)
    model = read_files(trained.save_raw("ubj"))
    agree(trained, model, make_rows(model))


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
@pytest.mark.parametrize("base_score", [None, 0.25, [0.5, -1.5]], ids=str)
def test_several_outputs(
    read_files: Read, agree: Agree, make_rows: Rows, strategy: str, base_score: Any
) -> None:
    given = {} if base_score is None else {"base_score": base_score}
    trained = train(PAIR, multi_strategy=strategy, tree_method="hist", **given)
    for form in ("json", "ubj"):
        model = read_files(trained.save_raw(form))
        assert model.output.shape == (-1, 2)
        agree(trained, model, make_rows(model))


def test_several_binary_outputs(read_files: Read, agree: Agree, make_rows: Rows) -> None:
    trained = train((PAIR > 0).astype(np.float32), objective="binary:logistic")
    model = read_files(trained.save_raw("json"))
    assert model.transform is Transform.SIGMOID
    agree(trained, model, make_rows(model))


@pytest.mark.parametrize("onehot", [1, 100])
@pytest.mark.parametrize("outputs", [1, 2])
def test_categories(read_files: Read, agree: Agree, make_rows: Rows, onehot: int, outputs: int) -> None:
    random = np.random.default_rng(5)
    codes = np.stack([random.integers(0, 7, 400), random.integers(0, 70, 400)], axis=1).astype(np.float32)
    data = np.concatenate([codes, random.normal(size=(400, 1)).astype(np.float32)], axis=1)
    label = np.sin(codes[:, 0] * 3) + np.cos(codes[:, 1] * 7) + data[:, 2]
    data[random.random(data.shape) < 0.05] = np.nan
    matrix = xgboost.DMatrix(
        data,
        np.stack([label, -label], axis=1)[:, :outputs],
        feature_types=["c", "c", "q"],
        feature_names=["kind", "place", "size"],
        enable_categorical=True,
    )
    parameters = {"max_depth": 5, "max_cat_to_onehot": onehot, "nthread": 1}
    trained = xgboost.train({**parameters, "tree_method": "hist"}, matrix, 8)
    for form in ("json", "ubj"):
        model = read_files(trained.save_raw(form))
        assert isinstance(model.body, Forest)
        assert (model.body.category >= 0).any()
        assert model.feature_names == ("kind", "place", "size")
        agree(trained, model, make_rows(model))


def test_infinite_inputs(read_files: Read) -> None:
    trained = train(TARGET)
    model = read_files(trained.save_raw("ubj"))
    rows = np.where(RNG.random((200, 6)) < 0.5, DATA[:200], RNG.choice([np.inf, -np.inf], (200, 6)))
    rows = rows.astype(np.float32)
    expected = trained.inplace_predict(rows, predict_type="margin")
    np.testing.assert_array_equal(evaluate(model, rows).margin[:, 0], expected)


def test_an_early_stopped_model_uses_all_trees(read_files: Read, agree: Agree, make_rows: Rows) -> None:
    matrix = xgboost.DMatrix(DATA, RNG.normal(size=400))
    trained = xgboost.train(
        {"max_depth": 3, "nthread": 1}, xgboost.DMatrix(DATA, TARGET), 50,
        evals=[(matrix, "noise")], early_stopping_rounds=4, verbose_eval=False,
    )  # fmt: skip
    assert trained.best_iteration < trained.num_boosted_rounds() - 1
    model = read_files(trained.save_raw("json"))
    assert any("stopped early" in warning for warning in model.warnings)
    agree(trained, model, make_rows(model))


@pytest.mark.parametrize("score", [1e-7, 1e-3, 0.2, 0.5, 0.77, 0.999, 1 - 1e-7])
@pytest.mark.parametrize("objective", ["binary:logistic", "count:poisson", "reg:squarederror"])
def test_base_scores(read_files: Read, agree: Agree, make_rows: Rows, objective: str, score: float) -> None:
    trained = train(BINARY, rounds=1, objective=objective, base_score=score)
    model = read_files(trained.save_raw("json"))
    agree(trained, model, make_rows(model))


def test_pickles(read_files: Read, agree: Agree, make_rows: Rows) -> None:
    trained = train(CLASSES, objective="multi:softprob", num_class=4)
    classifier = xgboost.XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1).fit(DATA, BINARY)
    regressor = xgboost.XGBRegressor(n_estimators=4, max_depth=3, n_jobs=1).fit(DATA, TARGET)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        model = read_files(pickle.dumps(trained, protocol))
        agree(trained, model, make_rows(model))
        for wrapper in (classifier, regressor):
            model = read_files(pickle.dumps(wrapper, protocol))
            agree(wrapper.get_booster(), model, make_rows(model))


def test_pickles_without_a_model_are_refused(read_files: Read) -> None:
    with pytest.raises(ClientError, match="holds no trained model"):
        read_files(b"\x80\x02cxgboost.core\nBooster\n)\x81}b.")
    with pytest.raises(ClientError, match="expected a pickled xgboost Booster"):
        read_files(pickle.dumps({"xgboost": 1}))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**16),
    rows=st.integers(2, 60),
    features=st.integers(1, 5),
    depth=st.integers(1, 7),
    rounds=st.integers(1, 12),
    digits=st.integers(0, 3),
    missing=st.sampled_from([0.0, 0.3, 0.9]),
    objective=st.sampled_from(["reg:squarederror", "binary:logistic", "multi:softprob", "count:poisson"]),
    booster=st.sampled_from(["gbtree", "gbtree", "dart"]),
)
def test_random_ensembles(
    read_files: Read, agree: Agree, make_rows: Rows,
    seed: int, rows: int, features: int, depth: int, rounds: int, digits: int, missing: float,
    objective: str, booster: str,
) -> None:  # fmt: skip
    random = np.random.default_rng(seed)
    data = np.round(random.normal(size=(rows, features)), digits).astype(np.float32)
    data[random.random(data.shape) < missing] = np.nan
    label = random.integers(0, 2, rows)
    label[0] = 0
    parameters: dict[str, Any] = {"num_class": 2} if objective == "multi:softprob" else {}
    parameters |= {"objective": objective, "booster": booster, "max_depth": depth, "min_child_weight": 0}
    parameters |= {"rate_drop": 0.5} if booster == "dart" else {}
    trained = xgboost.train({**parameters, "nthread": 1}, xgboost.DMatrix(data, label), rounds)
    model = read_files(trained.save_raw("ubj"))
    agree(trained, model, make_rows(model, 80, seed))
