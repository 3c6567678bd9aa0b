"""The schema of TFLite files as data: numbers of operators and types, and the fields of their options."""

from __future__ import annotations

DTYPES = (
    *("float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8"),
    *("float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4", "bfloat16"),
    *("int2", "uint4", "float8_e4m3fn", "float8_e5m2"),
)
"""By number of a tensor's type."""

PACKED = {"int4": 4, "uint4": 4, "int2": 2}
"""Bits of types of which a byte holds several, the first in its lowest bits."""

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")

CUSTOM = 32
"""The number of an operator that a text names."""

_OPERATORS = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR
FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC
LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX
SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD
UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE
UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE
BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL
LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT
RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT
UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR
LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK
ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4
NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL
PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS
HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE
READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL
GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE
STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE
STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE
STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG
STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT
STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT
STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL
STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE
STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT
STABLEHLO_CASE
"""
OPERATORS = tuple(_OPERATORS.split())
"""By number."""

Field = tuple[str, int, str]
"""Name, number and kind: a scalar of `flatbuffer.NUMBERS`, "text", or a vector such as "float32[]"."""


def _fields(text: str) -> tuple[Field, ...]:
    """`name kind` in the order of their numbers; a `-` stands for a number without a field of interest."""
    fields = []
    for number, entry in enumerate(text.split(",")):
        name, _, kind = entry.strip().partition(" ")
        if name != "-":
            fields.append((name, number, kind))
    return tuple(fields)


_ACTIVATION = "activation int8"
_CONV = f"padding int8, stride_w int32, stride_h int32, {_ACTIVATION}, dilation_w int32, dilation_h int32"
_REDUCE = "keep_dims bool"
_SEQUENCE_LSTM = "cell_clip float32, proj_clip float32"

OPTIONS: dict[str, tuple[Field, ...]] = {
    operator: _fields(text)
    for operators, text in {
        "ADD SUB MUL DIV L2_NORMALIZATION": _ACTIVATION,
        "CONV_2D": _CONV,
        "DEPTHWISE_CONV_2D": _CONV.replace(_ACTIVATION, f"depth_multiplier int32, {_ACTIVATION}"),
        "TRANSPOSE_CONV": f"padding int8, stride_w int32, stride_h int32, {_ACTIVATION}",
        "CONV_3D CONV_3D_TRANSPOSE": "padding int8, stride_d int32, stride_w int32, stride_h int32, "
        f"{_ACTIVATION}, dilation_d int32, dilation_w int32, dilation_h int32",
        "AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D": "padding int8, stride_w int32, stride_h int32, "
        f"filter_width int32, filter_height int32, {_ACTIVATION}",
        "FULLY_CONNECTED": f"{_ACTIVATION}, weights_format int8, keep_num_dims bool",
        "BATCH_MATMUL": "adj_x bool, adj_y bool",
        "CONCATENATION": f"axis int32, {_ACTIVATION}",
        "SVDF": f"rank int32, {_ACTIVATION}",
        "RNN": _ACTIVATION,
        "UNIDIRECTIONAL_SEQUENCE_RNN": f"time_major bool, {_ACTIVATION}",
        "BIDIRECTIONAL_SEQUENCE_RNN": f"time_major bool, {_ACTIVATION}, merge_outputs bool",
        "LSTM": f"{_ACTIVATION}, {_SEQUENCE_LSTM}, kernel_type int8",
        "UNIDIRECTIONAL_SEQUENCE_LSTM": f"{_ACTIVATION}, {_SEQUENCE_LSTM}, time_major bool, -, diagonal bool",
        "BIDIRECTIONAL_SEQUENCE_LSTM": f"{_ACTIVATION}, {_SEQUENCE_LSTM}, merge_outputs bool, "
        "time_major bool",
        "SOFTMAX": "beta float32",
        "LOCAL_RESPONSE_NORMALIZATION": "radius int32, bias float32, alpha float32, beta float32",
        "RESIZE_BILINEAR": "-, -, align_corners bool, half_pixel_centers bool",
        "RESIZE_NEAREST_NEIGHBOR": "align_corners bool, half_pixel_centers bool",
        "RESHAPE": "new_shape int32[]",
        "SQUEEZE": "squeeze_dims int32[]",
        "SPACE_TO_DEPTH DEPTH_TO_SPACE": "block_size int32",
        "GATHER": "axis int32, batch_dims int32",
        "MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL": _REDUCE,
        "STRIDED_SLICE": "begin_mask int32, end_mask int32, ellipsis_mask int32, new_axis_mask int32, "
        "shrink_axis_mask int32, offset bool",
        "PACK UNPACK": "count int32, axis int32",
        "SPLIT SPLIT_V": "count int32",
        "ONE_HOT": "axis int32",
        "LEAKY_RELU": "alpha float32",
        "GELU": "approximate bool",
        "MIRROR_PAD": "mode int8",
        "REVERSE_SEQUENCE": "seq_dim int32, batch_dim int32",
        "CUMSUM": "exclusive bool, reverse bool",
        "BUCKETIZE": "boundaries float32[]",
        "FAKE_QUANT": "min float32, max float32, num_bits int32, narrow_range bool",
        "IF": "then_subgraph int32, else_subgraph int32",
        "WHILE": "cond_subgraph int32, body_subgraph int32",
        "CALL": "subgraph uint32",
        "CALL_ONCE": "subgraph int32",
        "VAR_HANDLE": "container text, shared_name text",
        "STABLEHLO_COMPOSITE": "composite_name text, subgraph int32",
    }.items()
    for operator in operators.split()
}
"""By operator; one that is missing here needs none of its options."""

SUBGRAPHS = ("then_subgraph", "else_subgraph", "cond_subgraph", "body_subgraph", "subgraph")
"""Options that are numbers of subgraphs."""

SECOND_OPTIONS = frozenset(name for name in OPTIONS if name.startswith("STABLEHLO_"))
"""Operators whose options are in the second union of an operator."""

DEFAULTS: dict[tuple[str, str], int | bool] = {
    **{(operator, f"dilation_{axis}"): 1 for operator in OPERATORS for axis in "dwh"},
    ("BIDIRECTIONAL_SEQUENCE_LSTM", "time_major"): True,
}
"""Of (operator, field), where they are not 0, False or empty."""
