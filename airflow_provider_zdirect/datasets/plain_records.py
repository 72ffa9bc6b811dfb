# SPDX-License-Identifier: Apache-2.0
"""Records in their plain form, read in columns: what most records look like, without an object of the model for each.

The model stays the one source of what is accepted. From its fields follows what is *plainly right*: a text where a text
is declared, a time in the most usual form of RFC 3339, a count that is a whole number. Such values become Arrow columns
as they are, and the columns are what the model would have made of them. Every record that is not plainly right, in
whatever way, is left to the model: here, nothing is repaired, rejected or interpreted.

Of an unknown field that is there twice only the last value is looked at. The model refuses such a record if an earlier
value is nested too deeply, or a number of thousands of digits.

A field whose type and validators are not exactly those of a type of :mod:`.record` has no plain form, and its model has
none either: all its records are left to the model then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from itertools import chain
from operator import attrgetter
from types import NoneType
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pydantic_core
from msgspec import UNSET, Meta, Raw, UnsetType
from pydantic.fields import FieldInfo

from airflow_provider_zdirect.datasets import record as types
from airflow_provider_zdirect.datasets.arrow import INSTANT, arrow_type, json_text
from airflow_provider_zdirect.datasets.page import NOT_READABLE
from airflow_provider_zdirect.datasets.record import Record

MOST_UNKNOWN = 32
"""Unknown fields of an object that are read in columns; records with others are left to the model."""

_Mask = npt.NDArray[np.bool_]


class _Column(NamedTuple):
    """:param doubtful: the rows that are not plainly right; None: there are none.
    :param unknown: the unknown fields in each row's object, as JSON; None: there are none.
    """

    values: pa.Array
    doubtful: _Mask | None = None
    unknown: pa.Array | None = None


@dataclass(frozen=True)
class PlainRows:
    """The rows of records that are plainly right.

    :param numbers: of the records, ascending.
    :param columns: one for each field of the model.
    :param unknown: the unknown fields of each as JSON, null where there are none.
    """

    numbers: npt.NDArray[np.intp]
    columns: list[pa.Array]
    unknown: pa.Array


def plain_rows(model: type[Record], sources: Sequence[Any]) -> PlainRows | None:
    """The rows of those records that are plainly right; None if the model has no plain form.

    :param sources: one JSON text (anything bytes-like) per record.
    """
    form = _known.get(model) or plain_form(model)
    if form is None:
        return None
    numbers, structs, form = _decoded(form, sources)
    _known[model] = form
    columns, doubtful, unknown = form.columns(structs)
    if unknown is None:
        unknown = pa.nulls(len(structs), pa.string())
    if doubtful is not None:
        plain = pa.array(~doubtful)
        columns, unknown = [column.filter(plain) for column in columns], unknown.filter(plain)
        numbers = numbers[~doubtful]
    return PlainRows(numbers, columns, unknown)


def _decoded(form: _Object, sources: Sequence[Any]) -> tuple[npt.NDArray[np.intp], list[Any], _Object]:
    """The records that have the form, with their numbers; and the form with the unknown fields that were found."""
    structs: list[Any] = []
    refused: list[int] = []
    rest = iter(sources)
    while len(structs) + len(refused) < len(sources):
        try:
            # What was decoded before one that is refused stays in the list.
            structs.extend(map(form.decoder.decode, rest))
        except NOT_READABLE as error:
            number = len(structs) + len(refused)
            refused.append(number)
            if "unknown field" in str(error) and (learned := form.with_unknown(sources[number])) is not form:
                form, structs, refused, rest = learned, [], [], iter(sources)
    return np.delete(np.arange(len(sources)), refused), structs, form


@dataclass(frozen=True)
class _Values:
    """Values that are what the column holds.

    :param wire: here and below, the type that msgspec decodes them to.
    """

    wire: Any
    type: pa.DataType

    def column(self, values: Sequence[Any]) -> _Column:
        return _Column(pa.array(values, self.type))


@dataclass(frozen=True)
class _Texts:
    """Texts, and what is made of them.

    :param is_plain: which texts are plainly right; None: all are.
    :param read: from texts that are plainly right to the column.
    :param is_key: an empty text is not a value; otherwise it is null.
    """

    is_plain: Callable[[pa.Array], pa.Array] | None = None
    read: Callable[[pa.Array], pa.Array] = lambda texts: texts
    is_key: bool = False
    wire: Any = str

    def column(self, values: Sequence[Any]) -> _Column:
        try:
            texts = pa.array(values, pa.string())
        except pa.ArrowTypeError:
            # Numbers may stand for texts.
            texts = pa.array([None if value is None else str(value) for value in values], pa.string())
        if not self.is_key and pc.min(pc.binary_length(texts)).as_py() == 0:
            texts = pc.if_else(pc.equal(texts, ""), None, texts)
        if self.is_plain is None:
            return _Column(self.read(texts))
        plain = self.is_plain(texts)
        if pc.all(plain, min_count=0).as_py():
            return _Column(self.read(texts))
        doubtful = pc.fill_null(pc.invert(plain), False).to_numpy(zero_copy_only=False)
        return _Column(self.read(pc.if_else(plain, texts, None)), doubtful)


@dataclass(frozen=True)
class _List:
    """Lists of objects in which no field is unknown, or of texts."""

    item: _Form
    type: pa.DataType

    @property
    def wire(self) -> Any:
        return list[self.item.wire]  # type: ignore[name-defined]

    def column(self, values: Sequence[Any]) -> _Column:
        lengths = np.array([len(value) if value else 0 for value in values], np.int32)
        offsets = np.concatenate([np.zeros(1, np.int32), lengths.cumsum(dtype=np.int32)])
        column = self.item.column(list(chain.from_iterable(value for value in values if value)))
        absent = pa.array([value is None for value in values], pa.bool_())
        lists = pa.ListArray.from_arrays(pa.array(offsets), column.values, type=self.type, mask=absent)
        doubtful = np.zeros(len(values), np.bool_)
        if column.doubtful is not None:
            doubtful[np.repeat(np.arange(len(values)), lengths)[column.doubtful]] = True
        return _Column(lists, doubtful)


@dataclass(frozen=True)
class _Set(_List):
    """Lists of texts that are in order, each once."""

    def column(self, values: Sequence[Any]) -> _Column:
        found = super().column(values)
        other = [value is not None and ("" in value or value != sorted(set(value))) for value in values]
        return found._replace(doubtful=np.array(other, np.bool_))


@dataclass(frozen=True)
class _Object:
    """Objects with these fields.

    :param unknown: further fields that were found in records, by the attribute that holds their JSON.
    :param depth: how many objects it stands in, itself included.
    """

    model: type[Record]
    fields: Mapping[str, _Form]
    depth: int = 1
    unknown: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def wire(self) -> Any:
        infos = self.model.model_fields
        fields: list[Any] = [
            (name, form.wire) if infos[name].is_required() else (name, form.wire | None, None)
            for name, form in self.fields.items()
        ]
        fields += [(attribute, Raw | UnsetType, UNSET) for attribute in self.unknown]
        return msgspec.defstruct(
            self.model.__name__, fields, rename=self.unknown, kw_only=True, gc=False, forbid_unknown_fields=True
        )

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self.wire)

    def with_unknown(self, source: Any) -> _Object:
        """The form with what is unknown in an object; the form itself if it cannot be read in columns.

        :param source: the object's JSON text.
        """
        try:
            content = msgspec.json.decode(source, type=dict[str, Raw])
        except NOT_READABLE:
            return self
        names = content.keys() - chain(self.fields, self.unknown.values(), *self.model.looks_at.values())
        unknown = sorted(name for name in names if _PLAIN_NAME.fullmatch(name))[: MOST_UNKNOWN - len(self.unknown)]
        inner = {
            name: learned
            for name, form in self.fields.items()
            if isinstance(form, _Object)
            and name in content
            and (learned := form.with_unknown(content[name])) is not form
        }
        if not unknown and not inner:
            return self
        attributes = {f"unknown_{number}": name for number, name in enumerate([*self.unknown.values(), *unknown])}
        return replace(self, fields={**self.fields, **inner}, unknown=attributes)

    def columns(self, structs: Sequence[Any]) -> tuple[list[pa.Array], _Mask | None, pa.Array | None]:
        """The columns of the fields, the doubtful rows, and the unknown fields as JSON."""
        known = {name: self._known_column(name, list(map(attrgetter(name), structs))) for name in self.fields}
        others = {
            name: self._unknown_column(map(attrgetter(attribute), structs)) for attribute, name in self.unknown.items()
        }
        masks = [column.doubtful for column in (*known.values(), *others.values()) if column.doubtful is not None]
        unknown = {name: column.unknown for name, column in (known | others).items() if column.unknown is not None}
        doubtful = np.logical_or.reduce(masks) if masks else None
        return [column.values for column in known.values()], doubtful, _as_object(unknown) if unknown else None

    def _known_column(self, name: str, values: list[Any]) -> _Column:
        if not values or (values[0] is None and values.count(None) == len(values)):
            return _Column(pa.nulls(len(values), arrow_type(self.model.model_fields[name].annotation)))
        return self.fields[name].column(values)

    def column(self, values: Sequence[Any]) -> _Column:
        nothing = self.wire(**dict.fromkeys(self.fields))
        columns, doubtful, unknown = self.columns([nothing if value is None else value for value in values])
        absent = pa.array([value is None for value in values], pa.bool_())
        structs = pa.StructArray.from_arrays(columns, fields=list(arrow_type(self.model)), mask=absent)
        return _Column(structs, doubtful, unknown)

    def _unknown_column(self, values: Iterable[Raw | UnsetType]) -> _Column:
        """What an unknown field holds, as the JSON that is stored."""
        found = pa.array([None if isinstance(value, UnsetType) else bytes(value) for value in values], pa.binary())
        if self.model.empty_is_absent:
            found = pc.if_else(pc.equal(found, b'""'), None, found)
        other = pc.fill_null(pc.invert(pc.match_substring_regex(found, _STORED_AS_IT_IS)), False)
        if not pc.any(other).as_py():
            return _Column(found, unknown=found.cast(pa.string()))
        others = found.filter(other).dictionary_encode()
        texts = pa.array([_stored(source, self.depth) for source in others.dictionary.to_pylist()], pa.binary())
        stored = pc.replace_with_mask(found, other, texts.take(others.indices))
        doubtful = pc.and_(stored.is_null(), found.is_valid()).to_numpy(zero_copy_only=False)
        return _Column(stored, doubtful, stored.cast(pa.string()))


_Form = _Values | _Texts | _List | _Object
"""How the values of a field look that are plainly right."""


def _stored(source: bytes, depth: int) -> bytes | None:
    """The JSON that is stored for the value of an unknown field; None if that is for the model to say.

    :param depth: how many objects the value stands in: a value may be nested only so deep.
    """
    try:
        value = pydantic_core.from_json(b"[" * depth + source + b"]" * depth)
        for _ in range(depth):
            (value,) = value
        return json_text(value).encode()
    except (ValueError, RecursionError):
        return None


def _as_object(texts: Mapping[str, pa.Array]) -> pa.Array:
    """JSON objects of members, which are null where there is none; null where there are no members."""
    members = [
        pc.fill_null(
            pc.binary_join_element_wise(f"{json.dumps(name, ensure_ascii=False)}: ", texts[name], ", ", ""), ""
        )
        for name in sorted(texts)
    ]
    # Not null_handling="skip", which leaves out rows that are null throughout.
    joined = pc.binary_join_element_wise(*members, "")
    objects = pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(joined, 0, -2), "}", "")
    return pc.if_else(pc.equal(joined, ""), None, objects)


_PLAIN_NAME = re.compile(r'[^"\\\x00-\x1f]+')
_STORED_AS_IT_IS = r'^(?:"[ !#-\[\]-~]*"|0|-?[1-9][0-9]{0,17}|true|false|null)$'
"""JSON that is not changed by reading and writing it."""

_DATE = (
    r"(?:(?:19(?:7[2-9]|[89]\d)|20\d\d)-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|02-(?:0[1-9]|1\d|2[0-8]))|(?:19(?:[79][26]|8[048])|20(?:[02468][048]|[13579][26]))-02-29)"
)
_TIME = r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)"


def _like(pattern: str) -> Callable[[pa.Array], pa.Array]:
    """Texts that match a pattern (RE2)."""
    return partial(pc.match_substring_regex, pattern=pattern)


def _digits(width: int, is_key: bool = False) -> _Texts:
    wire = str | Annotated[int, Meta(ge=0, le=2**63 - 1)]
    return _Texts(pc.ascii_is_decimal, lambda texts: pc.ascii_lpad(texts, width, "0"), is_key, wire)


_visible = _like(r"^[!-~]+$")
_instant = _Texts(_like(f"^{_DATE}{_TIME}$"), partial(pc.cast, target_type=INSTANT))
_day = _Texts(_like(f"^{_DATE}$"), partial(pc.cast, target_type=pa.date32()))
_written_day = _Texts(_like(f"^{_DATE}(?:T.*)?$"), lambda texts: _day.read(pc.utf8_slice_codeunits(texts, 0, 10)))
_amount = _Texts(
    _like(r"^-?\d{1,15}(?:\.\d{1,18})?$"), partial(pc.cast, target_type=arrow_type(types.Money)), wire=float | str
)
_whole = _Values(Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)], pa.int64())

_FORMS: tuple[tuple[Any, _Form], ...] = (
    (types.Key, _Texts(_like(r"^[^\x{FFFD}]+$"), is_key=True)),
    (types.Text, _Texts()),
    (types.AnyText, _Texts()),
    (types.Uuid, _Texts(_visible, pc.ascii_lower)),
    (types.UuidKey, _Texts(_visible, pc.ascii_lower, is_key=True)),
    (types.Ean, _digits(13)),
    (types.EanKey, _digits(13, is_key=True)),
    (types.AdviceId, _digits(8)),
    (types.ShipmentNumber, _digits(16)),
    (types.OptionalInstant, _instant),
    (types.Instant, replace(_instant, is_key=True)),
    (types.OptionalDate, _day),
    (types.Day, replace(_day, is_key=True)),
    (types.LocalDate, _written_day),
    (types.Quantity, _whole),
    (types.Count, _whole),
    (types.Flag, _Values(bool, pa.bool_())),
    (types.Number, _Values(float, pa.float64())),
    (types.Money, _amount),
    (types.TextSet, _Set(_Texts(), pa.list_(pa.string()))),
)


@cache
def plain_form(model: type[Record], depth: int = 1) -> _Object | None:
    """The plain form of a model's records; None if it has none."""
    decorators = model.__pydantic_decorators__
    validators = decorators.model_validators.keys()
    others = (decorators.field_validators, decorators.validators, decorators.root_validators)
    if validators - model.looks_at.keys() or any(others) or model.model_config != Record.model_config:
        return None
    forms = {name: _form_of(info, depth) for name, info in model.model_fields.items()}
    fields = {name: form for name, form in forms.items() if form is not None}
    return _Object(model, fields, depth) if len(fields) == len(forms) else None


def _form_of(info: FieldInfo, depth: int) -> _Form | None:
    if info.alias or info.validation_alias or not (info.is_required() or info.get_default() is None):
        return None
    for kind, form in _FORMS:
        known = FieldInfo.from_annotation(kind)
        if info.metadata == known.metadata and info.annotation == known.annotation:
            return form
    inner = [each for each in get_args(info.annotation) if each is not NoneType] or [info.annotation]
    if info.metadata or len(inner) != 1:
        return None
    (kind,) = inner
    if get_origin(kind) is list and (item := _model_in(get_args(kind)[0], depth + 2)):
        return _List(item, arrow_type(kind))
    return _model_in(kind, depth + 1)


def _model_in(kind: Any, depth: int) -> _Object | None:
    return plain_form(kind, depth) if isinstance(kind, type) and issubclass(kind, Record) else None


_known: dict[type[Record], _Object] = {}
"""The forms with the unknown fields that were found by this process."""
