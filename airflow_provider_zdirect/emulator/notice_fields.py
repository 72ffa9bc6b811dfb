"""Strict reading of what clients write to shipping notices; anything else is a 400."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from airflow_provider_zdirect.emulator.answers import ProblemError
from airflow_provider_zdirect.emulator.options import reasons
from airflow_provider_zdirect.emulator.requests import parse_date, parse_object, parse_uuid
from airflow_provider_zdirect.merchant_files.ean import is_ean13

MERCHANT = "zalando_merchant_id"
# Quantities by EAN, in the order in which they were given.
Items = tuple[tuple[str, int], ...]


def _uuid(text: str) -> str:
    return parse_uuid(text, "id")


def _date(text: str) -> str:
    return parse_date(text, "earliest_delivery_date").isoformat()


def _ean(text: str) -> str:
    if not is_ean13(text):
        raise ValueError("an EAN has 13 digits with a valid check digit")
    return text


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AnnouncedItem(Strict):
    ean: Annotated[str, AfterValidator(_ean)]
    quantity: Annotated[int, Field(ge=1)]


class ItemList(Strict):
    """An EAN that comes twice is refused (not confirmed)."""

    items: Annotated[list[AnnouncedItem], Field(min_length=1)]

    def checked(self) -> Items:
        found = {item.ean: item.quantity for item in self.items}
        if len(found) < len(self.items):
            raise ProblemError(400, "an EAN comes twice")
        return tuple(found.items())


Model = TypeVar("Model", bound=Strict)
Text = str | None
Count = Annotated[int, Field(ge=0)] | None


class NoticeFields(Strict):
    """Which fields are required is not confirmed; only the merchant is so here."""

    zalando_merchant_id: Annotated[str, AfterValidator(_uuid)]
    announced_items: ItemList | None = None
    carrier_name: Text = None
    merchant_b2b_reference: Text = None
    contact_email: Text = None
    comments: Text = None
    requested_zalando_location_name: Text = None
    contact_name: Text = None
    additional_contact_email: Text = None
    pallets_count: Count = None
    colli_count: Count = None
    hanging_goods_count: Count = None
    requested_zalando_location_id: Annotated[str, AfterValidator(_uuid)] | None = None
    earliest_delivery_date: Annotated[str, AfterValidator(_date)] | None = None


def parse_fields(body: bytes) -> tuple[dict[str, Any], Items]:
    """A notice as it is written, and the items that may come with it."""
    fields = _valid(NoticeFields, parse_object(body))
    items = fields.announced_items
    return fields.model_dump(exclude={"announced_items"}, exclude_unset=True), items.checked() if items else ()


def parse_items(body: bytes) -> Items:
    """The items of ``{"items": [{"ean", "quantity"}]}``."""
    return _valid(ItemList, parse_object(body)).checked()


def _valid(model: type[Model], content: Any) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ProblemError(400, reasons(error)) from error
