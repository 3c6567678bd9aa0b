"""The protobuf messages that TensorFlow writes, as far as a model is told by them.

Fields that are not described here are passed over in binary files and in text alike.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

_PACKAGE = "tinsmith.tensorflow"

_TYPES = [
    "INVALID",
    "FLOAT",
    "DOUBLE",
    "INT32",
    "UINT8",
    "INT16",
    "INT8",
    "STRING",
    "COMPLEX64",
    "INT64",
    "BOOL",
    "QINT8",
    "QUINT8",
    "QINT32",
    "BFLOAT16",
    "QINT16",
    "QUINT16",
    "UINT16",
    "COMPLEX128",
    "HALF",
    "RESOURCE",
    "VARIANT",
    "UINT32",
    "UINT64",
    "FLOAT8_E5M2",
    "FLOAT8_E4M3FN",
    "FLOAT8_E4M3FNUZ",
    "FLOAT8_E4M3B11FNUZ",
    "FLOAT8_E5M2FNUZ",
    "INT4",
    "UINT4",
    "INT2",
    "UINT2",
]
TYPE_NAMES = {number: f"DT_{name}" for number, name in enumerate(_TYPES)}
"""The names of element types as TensorFlow spells them. References (of TensorFlow 1) are 100 higher."""

# Message: field number type. A star stands for many, "key>" for a map.
_MESSAGES = """
GraphDef: node 1 NodeDef*, library 2 FunctionDefLibrary, version 3 int32, versions 4 VersionDef
VersionDef: producer 1 int32, min_consumer 2 int32
NodeDef: name 1 string, op 2 string, input 3 string*, device 4 string, attr 5 string>AttrValue
AttrValue: list 1 ListValue, s 2 bytes, i 3 int64, f 4 float, b 5 bool, type 6 DataType, \
shape 7 TensorShapeProto, tensor 8 TensorProto, placeholder 9 string, func 10 NameAttrList
ListValue: s 2 bytes*, i 3 int64*, f 4 float*, b 5 bool*, type 6 DataType*, shape 7 TensorShapeProto*, \
tensor 8 TensorProto*, func 9 NameAttrList*
NameAttrList: name 1 string, attr 2 string>AttrValue
TensorShapeProto: dim 2 Dim*, unknown_rank 3 bool
Dim: size 1 int64, name 2 string
TensorProto: dtype 1 DataType, tensor_shape 2 TensorShapeProto, tensor_content 4 bytes, float_val 5 float*, \
double_val 6 double*, int_val 7 int32*, string_val 8 bytes*, scomplex_val 9 float*, int64_val 10 int64*, \
bool_val 11 bool*, dcomplex_val 12 double*, half_val 13 int32*, uint32_val 16 uint32*, uint64_val 17 uint64*
FunctionDefLibrary: function 1 FunctionDef*
FunctionDef: signature 1 OpDef, node_def 3 NodeDef*, ret 4 string>string, attr 5 string>AttrValue
OpDef: name 1 string, input_arg 2 ArgDef*, output_arg 3 ArgDef*
ArgDef: name 1 string, type 3 DataType, type_attr 4 string, number_attr 5 string, type_list_attr 6 string
SavedModel: saved_model_schema_version 1 int64, meta_graphs 2 MetaGraphDef*
MetaGraphDef: meta_info_def 1 MetaInfoDef, graph_def 2 GraphDef, saver_def 3 SaverDef, \
signature_def 5 string>SignatureDef, object_graph_def 7 SavedObjectGraph
MetaInfoDef: meta_graph_version 1 string, tags 4 string*, tensorflow_version 5 string
SaverDef: filename_tensor_name 1 string, save_tensor_name 2 string, restore_op_name 3 string
SignatureDef: inputs 1 string>TensorInfo, outputs 2 string>TensorInfo, method_name 3 string
TensorInfo: name 1 string, dtype 2 DataType, tensor_shape 3 TensorShapeProto
SavedObjectGraph: nodes 1 SavedObject*
SavedObject: children 1 ObjectReference*, variable 7 SavedVariable
ObjectReference: node_id 1 int32, local_name 2 string
SavedVariable: dtype 1 DataType, shape 2 TensorShapeProto, name 6 string
BundleHeaderProto: num_shards 1 int32, endianness 2 int32, version 3 VersionDef
BundleEntryProto: dtype 1 DataType, shape 2 TensorShapeProto, shard_id 3 int32, offset 4 int64, \
size 5 int64, crc32c 6 fixed32, slices 7 TensorSliceProto*
TensorSliceProto: extent 1 Extent*
Extent: start 1 int64, length 2 int64
TrackableObjectGraph: nodes 1 TrackableObject*
TrackableObject: children 1 ObjectReference*, attributes 2 SerializedTensor*
SerializedTensor: name 1 string, full_name 2 string, checkpoint_key 3 string
"""

_Field = descriptor_pb2.FieldDescriptorProto


def _file() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="tinsmith/tensorflow.proto", package=_PACKAGE, syntax="proto3"
    )
    enum = file.enum_type.add(name="DataType")
    for number, name in TYPE_NAMES.items():
        enum.value.add(name=name, number=number)
    for number, name in list(TYPE_NAMES.items())[1:]:
        enum.value.add(name=f"{name}_REF", number=number + 100)
    for line in _MESSAGES.strip().splitlines():
        name, fields = line.split(": ")
        message = file.message_type.add(name=name)
        for field in fields.split(", "):
            _add_field(message, *field.split())
    return file


def _add_field(message: Any, name: str, number: str, kind: str) -> None:
    label = _Field.LABEL_OPTIONAL
    key, mapped, value = kind.partition(">")
    if mapped:
        entry = message.nested_type.add(name="".join(map(str.title, name.split("_"))) + "Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", "1", key)
        _add_field(entry, "value", "2", value)
        kind, label = f"{message.name}.{entry.name}", _Field.LABEL_REPEATED
    if kind.endswith("*"):
        kind, label = kind[:-1], _Field.LABEL_REPEATED
    field = message.field.add(name=name, number=int(number), label=label)
    scalar = getattr(_Field, f"TYPE_{kind.upper()}", None)
    if scalar is not None:
        field.type = scalar
    else:
        field.type = _Field.TYPE_ENUM if kind == "DataType" else _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return dict(_class(pool, line.split(":")[0]) for line in _MESSAGES.strip().splitlines())


def _class(pool: Any, name: str) -> tuple[str, Any]:
    return name, message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Message = Any
"""A message of one of the classes below; they are made at run time, so there are no static types."""

_ALL = _classes()
GraphDef: Any = _ALL["GraphDef"]
NodeDef: Any = _ALL["NodeDef"]
SavedModel: Any = _ALL["SavedModel"]
TensorProto: Any = _ALL["TensorProto"]
FunctionDef: Any = _ALL["FunctionDef"]
BundleHeaderProto: Any = _ALL["BundleHeaderProto"]
BundleEntryProto: Any = _ALL["BundleEntryProto"]
TrackableObjectGraph: Any = _ALL["TrackableObjectGraph"]


def type_name(number: int) -> str:
    """How errors call an element type."""
    return TYPE_NAMES.get(number % 100, f"type {number}")
