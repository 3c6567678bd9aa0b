from __future__ import annotations

from pathlib import Path

import numpy as np

from tinsmith.compiler.toolchains.answering import main, read, write


def test_runs_keep_their_order_and_their_types(tmp_path: Path) -> None:
    given = tmp_path / "given.npz"
    arrays = {
        f"{run}/{at}": np.full(at, run, np.int8 if at else np.float64)
        for run in range(11)
        for at in range(12)
    }
    np.savez(given, allow_pickle=False, runs=np.int64(11), **dict(reversed(arrays.items())))
    runs = read(str(given))
    assert [len(run) for run in runs] == [12] * 11
    assert all(
        array.dtype == arrays[f"{run}/{at}"].dtype and np.array_equal(array, arrays[f"{run}/{at}"])
        for run, found in enumerate(runs)
        for at, array in enumerate(found)
    )


def test_a_script_answers(tmp_path: Path) -> None:
    script, given, found = tmp_path / "script.py", tmp_path / "given.npz", tmp_path / "found.npz"
    script.write_text(
        "def answer(runs, word):\n    return [[len(word) + run[0], run[0] > 1] for run in runs]\n"
    )
    write(str(given), [[np.array([1, 2], np.float32)], [np.array([3], np.float32)]])
    main(str(script), "word", str(given), str(found))
    with np.load(found) as answers:
        assert {name: answers[name].tolist() for name in answers.files} == {
            "0/0": [5, 6],
            "0/1": [False, True],
            "1/0": [7],
            "1/1": [True],
            "runs": 2,
        }


def test_a_run_without_inputs_is_a_run(tmp_path: Path) -> None:
    write(str(tmp_path / "given.npz"), [(), ()])
    assert read(str(tmp_path / "given.npz")) == [[], []]
