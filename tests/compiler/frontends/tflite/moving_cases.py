"""The same for operators that move elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.compiler.frontends.tflite.build import T, c
from tests.compiler.frontends.tflite.cases import CASES, FLOAT, INT, case, q, x

__all__ = ["CASES"]

case("TRANSPOSE", [x(2, 3, 4), c([2, 0, 1])], [FLOAT])
case("TRANSPOSE int8", [q(2, 3, 4), c([2, 0, 1])], [q()], version=2)
case("CONCATENATION", [x(2, 3), x(2, 4)], [FLOAT], ("ConcatenationOptions", {"axis": -1}))
case("CONCATENATION int8", [q(2, 3), q(2, 4)], [q()], ("ConcatenationOptions", {"axis": 1}), version=2)
case(
    "CONCATENATION uint8 scales",
    [q(2, 3, dtype="uint8"), q(2, 4, dtype="uint8", scale=0.02)],
    [q(dtype="uint8")],
    ("ConcatenationOptions", {"axis": 1}),
)
case("PACK", [x(2, 3), x(2, 3)], [FLOAT], ("PackOptions", {"valuesCount": 2, "axis": 1}))
case("UNPACK", [x(2, 3)], [FLOAT, FLOAT, FLOAT], ("UnpackOptions", {"num": 3, "axis": -1}))
case("SPLIT", [c(1), x(2, 6)], [FLOAT, FLOAT], ("SplitOptions", {"numSplits": 2}))
case("SPLIT_V", [x(2, 6), c([1, 2, -1]), c(1)], [FLOAT, FLOAT, FLOAT], ("SplitVOptions", {"numSplits": 3}))
case("TILE", [x(2, 3), c([2, 3])], [FLOAT])
case("BROADCAST_TO", [x(1, 3), c([4, 2, 3])], [FLOAT], version=2)
case("BROADCAST_ARGS", [c([1, 3]), x(2, dtype="int32", low=1, high=1)], [INT])
case("REVERSE_V2", [x(2, 3, 4), c([1, 2])], [FLOAT])
case(
    "REVERSE_SEQUENCE",
    [x(3, 4, 2), c([1, 4, 2])],
    [FLOAT],
    ("ReverseSequenceOptions", {"seqDim": 1, "batchDim": 0}),
)
case(
    "REVERSE_SEQUENCE turned",
    [x(2, 3, 4), c([1, 3])],
    [FLOAT],
    ("ReverseSequenceOptions", {"seqDim": 1, "batchDim": 0}),
)
case("PAD", [x(2, 3), c([[1, 0], [2, 1]])], [FLOAT], ("PadOptions", {}))
case("PAD int8", [q(2, 3), c([[1, 0], [2, 1]])], [q()], ("PadOptions", {}), version=2)
case("PADV2", [x(2, 3), c([[1, 0], [2, 1]]), c(1.5)], [FLOAT], ("PadV2Options", {}))
for _mode in (0, 1):
    case(
        f"MIRROR_PAD {_mode}", [x(3, 4), c([[1, 2], [2, 1]])], [FLOAT], ("MirrorPadOptions", {"mode": _mode})
    )
case("RESHAPE", [x(2, 6), c([3, -1])], [FLOAT], ("ReshapeOptions", {"newShape": [3, -1]}))
case("SQUEEZE", [x(1, 3, 1, 2)], [FLOAT], ("SqueezeOptions", {"squeezeDims": [-2]}))
case("SQUEEZE all", [x(1, 3, 1, 2)], [FLOAT], ("SqueezeOptions", {}))
case("EXPAND_DIMS", [x(2, 3), c(1)], [FLOAT], ("ExpandDimsOptions", {}))
case("SHAPE", [x(2, 3)], [INT], ("ShapeOptions", {"outType": 2}))
case("RANK", [x(2, 3)], [INT], ("RankOptions", {}))
case("FILL", [c([2, 3]), x()], [FLOAT], ("FillOptions", {}))
case("ZEROS_LIKE", [x(2, 3)], [FLOAT], ("ZerosLikeOptions", {}))
case("RANGE", [c(1), c(9), c(2)], [INT], ("RangeOptions", {}))
case("MATRIX_DIAG", [x(2, 3)], [FLOAT], ("MatrixDiagOptions", {}))
case("MATRIX_SET_DIAG", [x(2, 3, 4), x(2, 3)], [FLOAT], ("MatrixSetDiagOptions", {}))
case("SLICE", [x(3, 4, 5), c([1, 0, 2]), c([1, -1, 3])], [FLOAT], ("SliceOptions", {}))
case(
    "DYNAMIC_UPDATE_SLICE",
    [x(4, 5), x(2, 3), T((2,), "int32", low=-1, high=4)],
    [FLOAT],
    ("DynamicUpdateSliceOptions", {}),
)


def strided(
    name: str, begin: Sequence[int], end: Sequence[int], strides: Sequence[int], **masks: Any
) -> None:
    case(
        f"STRIDED_SLICE {name}",
        [x(4, 5, 6), c(begin), c(end), c(strides)],
        [FLOAT],
        ("StridedSliceOptions", masks),
    )


strided("plain", [1, 0, 2], [3, 5, -1], [1, 2, 3])
strided("masks", [1, 1, 1], [3, 3, 3], [1, 1, 1], beginMask=2, endMask=4)
strided("backwards", [-1, 3, 0], [0, 0, 0], [-2, -1, -1], endMask=2, beginMask=4)
strided("one element", [1, 0, -1], [2, 5, 0], [1, 1, 1], shrinkAxisMask=5)
strided("ellipsis", [1, 0, 2], [3, 0, 4], [1, 1, 1], ellipsisMask=2)
strided("new axis", [0, 0, 1], [0, 3, 3], [1, 1, 1], newAxisMask=1)
case("GATHER", [x(3, 4), c([[2, 0], [1, 1]])], [FLOAT], ("GatherOptions", {"axis": 0}))
case("GATHER axis", [x(3, 4, 5), T((2, 2), "int32", low=0, high=3)], [FLOAT], ("GatherOptions", {"axis": 1}))
case(
    "GATHER batches",
    [x(3, 2, 4, 5), T((3, 6), "int32", low=0, high=3)],
    [FLOAT],
    ("GatherOptions", {"axis": 2, "batchDims": 1}),
    version=5,
)
case("GATHER_ND", [x(3, 4, 5), c([[2, 0], [1, 3]])], [FLOAT], ("GatherNdOptions", {}))
case("SCATTER_ND", [c([[1], [3], [1]]), x(3, 2), c([5, 2])], [FLOAT], ("ScatterNdOptions", {}))
case("SPARSE_TO_DENSE", [c([[0, 1], [2, 2]]), c([3, 4]), x(2), x()], [FLOAT], ("SparseToDenseOptions", {}))
case("SPARSE_TO_DENSE scalar", [c([1, 3]), c([5]), x(), c(-1.0)], [FLOAT], ("SparseToDenseOptions", {}))
case("WHERE", [x(3, 4, dtype="bool")], [T(dtype="int64")], ("WhereOptions", {}))
case(
    "ONE_HOT",
    [x(2, 3, dtype="int32", low=-1, high=4), c(4), c(2.0), c(-1.0)],
    [FLOAT],
    ("OneHotOptions", {"axis": -1}),
)
case(
    "ONE_HOT axis",
    [x(2, 3, dtype="int32", low=0, high=3), c(4), c(1.0), c(0.0)],
    [FLOAT],
    ("OneHotOptions", {"axis": 0}),
)
case("SPACE_TO_DEPTH", [x(1, 4, 6, 3)], [FLOAT], ("SpaceToDepthOptions", {"blockSize": 2}))
case("DEPTH_TO_SPACE", [x(1, 2, 3, 12)], [FLOAT], ("DepthToSpaceOptions", {"blockSize": 2}))
case(
    "SPACE_TO_BATCH_ND",
    [x(1, 4, 5, 2), c([2, 3]), c([[0, 2], [1, 0]])],
    [FLOAT],
    ("SpaceToBatchNDOptions", {}),
)
case(
    "BATCH_TO_SPACE_ND",
    [x(6, 3, 2, 2), c([2, 3]), c([[1, 1], [2, 0]])],
    [FLOAT],
    ("BatchToSpaceNDOptions", {}),
)
case(
    "SPACE_TO_BATCH_ND int8",
    [q(1, 4, 5, 2), c([2, 3]), c([[0, 2], [1, 0]])],
    [q()],
    ("SpaceToBatchNDOptions", {}),
    version=2,
)
for _corners, _half in ((False, False), (True, False), (False, True)):
    for _kind, _options in {
        "RESIZE_BILINEAR": "ResizeBilinearOptions",
        "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    }.items():
        for _size in ([9, 3], [10, 12]):
            case(
                f"{_kind} {_size} {_corners} {_half}",
                [x(1, 5, 6, 2), c(_size)],
                [FLOAT],
                (_options, {"alignCorners": _corners, "halfPixelCenters": _half}),
                version=3,
            )
case(
    "RESIZE_BILINEAR int8",
    [q(1, 5, 6, 2), c([8, 9])],
    [q()],
    ("ResizeBilinearOptions", {"halfPixelCenters": True}),
    version=3,
)
