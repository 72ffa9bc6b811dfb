# SPDX-License-Identifier: Apache-2.0
"""Shipping Notices API (zDirect docs: Shipping Notices): reading what clients write, showing notices, the routes."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from airflow_provider_zdirect.emulator.answers import ProblemError, compact, json_answer, next_page
from airflow_provider_zdirect.emulator.catalog import stable_uuid
from airflow_provider_zdirect.emulator.cursor import opened, sealed
from airflow_provider_zdirect.emulator.drift import drifted
from airflow_provider_zdirect.emulator.notice_book import (
    ANNOUNCED,
    DISPATCH,
    INITIAL,
    READY_FOR_DISPATCH,
    READY_FOR_RECEIVE,
    ItemSet,
    Notice,
    etag_of,
)
from airflow_provider_zdirect.emulator.options import reasons
from airflow_provider_zdirect.emulator.requests import Api, Call, parse_date, parse_uuid
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


def parse_fields(call: Call) -> tuple[dict[str, Any], Items]:
    """A notice as it is written, and the items that may come with it."""
    fields = _valid(NoticeFields, call.object())
    items = fields.announced_items
    return fields.model_dump(exclude={"announced_items"}, exclude_unset=True), items.checked() if items else ()


def _valid(model: type[Model], content: Any) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ProblemError(400, reasons(error)) from error


# Of the documented examples, whose times have the offset of Germany.
ZONE = ZoneInfo("Europe/Berlin")
OPTIONAL = (
    "carrier_name",
    "merchant_b2b_reference",
    "contact_email",
    "comments",
    "requested_zalando_location_name",
    "contact_name",
    "additional_contact_email",
    "hanging_goods_count",
    "delivery_time_slot",
)


def shown(call: Call, notice: Notice) -> dict[str, Any]:
    """The notice as it is sent."""
    base_url, options = call.base_url, call.options
    href = f"{base_url}{BASE}/{notice.id}"
    fields = dict(notice.fields)
    if fields.get("earliest_delivery_date"):
        fields["earliest_delivery_date"] = _local(date.fromisoformat(fields["earliest_delivery_date"]))
    if options.notices_without_merchant:
        del fields["zalando_merchant_id"]
    body = {
        "self": {"href": href},
        **({options.notice_id_field: notice.id} if options.notice_id_field else {}),
        **fields,
        "announced_item_sets": {"href": f"{href}/announced-item-sets"},
        "dispatch_item_sets": {"href": f"{href}/dispatch-item-sets"},
        "delivery_date_request": {"href": f"{href}/delivery-date-request"},
        "delivery_date_confirmation": {"href": f"{href}/delivery-date-confirmation"},
        "delivery_time_slot": {"href": f"{href}/delivery-time-slot"},
        "inbound_tour": {"href": f"{base_url}/zfs/tours?zalando_advice_id={notice.zalando_advice_id}"},
        "zalando_advice_id": notice.zalando_advice_id,
        "announced_item_count": notice.count(ANNOUNCED),
        "dispatch_item_count": notice.count(DISPATCH),
        "state": notice.state,
    }
    if notice.delivery_date:
        body["confirmed_delivery_date"] = _local(notice.delivery_date)
    elif int(notice.id[-1], 16) % 2:
        # Whether it is absent or null before is not confirmed.
        body["confirmed_delivery_date"] = None
    return drifted(body, notice.id, options.drift, OPTIONAL)


def tagged(call: Call, content: dict[str, Any], etag: str | None = None) -> Response:
    """An answer with its entity tag, or 304 if the client has it.

    :param etag: ``None`` makes one of the content.
    """
    etag = etag or etag_of(compact(content))
    known = tags(call.request.headers.get("if-none-match", ""))
    if "*" in known or etag in [tag.removeprefix("W/") for tag in known]:
        return Response(status_code=304, headers={"ETag": etag})
    return json_answer(content, headers={"ETag": etag})


def tags(header: str) -> list[str]:
    """The entity tags of ``If-Match`` or ``If-None-Match``."""
    return [tag.strip() for tag in header.split(",") if tag.strip()]


def _local(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).isoformat()


BASE = "/zfs/shipping-notices"
ONE = f"{BASE}/{{notice_id}}"
LIST_LIMIT, ONE_LIMIT = "shipping-notices", "shipping-notice"
SET_KINDS = {"announced-item-sets": ANNOUNCED, "dispatch-item-sets": DISPATCH}
api = Api()


@api.get(BASE, LIST_LIMIT)
def notices(call: Call) -> Response:
    size, keys = call.options.notices_page_size, call.state.notices.keys(call.state.merchant_ids)
    if cursor := call.given(call.options.notices_cursor_parameter):
        created_at, id = opened(LIST_LIMIT, cursor)
        keys = [key for key in keys if key > (datetime.fromisoformat(created_at), id)]
    rows = [shown(call, _seen(call, id)) for _, id in keys[:size]]
    following = sealed(LIST_LIMIT, keys[size - 1][0].isoformat(), keys[size - 1][1]) if len(keys) > size else None
    return tagged(call, {"shipping-notices": rows, **next_page(following, call.options)})


@api.route("POST", BASE, LIST_LIMIT)
def create(call: Call) -> Response:
    if call.options.create_notice == "put":
        raise ProblemError(405, "notices are created with PUT", {"Allow": "GET"})
    return _create(call, str(uuid.uuid4()))


@api.get(ONE, ONE_LIMIT)
def one(call: Call) -> Response:
    notice = _seen(call)
    return tagged(call, shown(call, notice), notice.etag)


@api.route("PUT", ONE, ONE_LIMIT)
def put(call: Call) -> Response:
    notice_id = parse_uuid(call.ids["notice_id"], "shipping notice id")
    with call.state.notices.lock:
        if call.state.notices.find(notice_id) is not None:
            return _update(call)
        if "if-match" in call.request.headers:
            raise ProblemError(404, f"shipping notice {notice_id} is unknown")
        if call.options.create_notice == "post":
            raise ProblemError(405, "notices are created with POST", {"Allow": "GET"})
        if uuid.UUID(notice_id).version != 4:
            raise ProblemError(400, "the id of a new shipping notice is a UUID of version 4")
        return _create(call, notice_id)


@api.route("POST", f"{ONE}/announcement-confirmations", "announcement-confirmations")
def confirm_announcement(call: Call) -> Response:
    with call.state.notices.lock:
        notice = _to_confirm(call)
        if notice.state != INITIAL:
            raise ProblemError(409, f"the announcement is confirmed already, state is {notice.state}")
        if not notice.announced_sets:
            raise ProblemError(409, "no items are announced")
        call.state.notices.write(replace(notice, announced_at=call.now))
    return json_answer({}, 201)


@api.route("POST", f"{ONE}/dispatch-confirmations", "dispatch-confirmations")
def confirm_dispatch(call: Call) -> Response:
    with call.state.notices.lock:
        notice = _to_confirm(call)
        if notice.state != READY_FOR_DISPATCH:
            raise ProblemError(409, f"a dispatch is confirmed in state {READY_FOR_DISPATCH}, not {notice.state}")
        call.state.notices.write(replace(notice, dispatched_at=call.now))
    return json_answer({}, 201)


def _item_set_routes(path: str, kind: str) -> None:
    @api.get(f"{ONE}/{path}", path)
    def sets(call: Call) -> Response:
        posted = _seen(call).sets(kind)
        if call.options.item_sets_shape == "set":
            return tagged(call, {"items": posted[-1].as_rows() if posted else []})
        return tagged(call, {path: [{"id": one.id, "items": one.as_rows()} for one in posted]})

    @api.route("POST", f"{ONE}/{path}", path)
    def post_set(call: Call) -> Response:
        with call.state.notices.lock:
            notice = _to_change(call)
            items = _valid(ItemList, call.object()).checked()
            _check_open(notice, kind)
            posted = _item_set(call, notice, kind, items)
            # Of the notice with what is still to come, apart from a later set, which this one is instead of.
            whole = call.state.notices.find(notice.id) or notice
            call.state.notices.write(whole.with_sets(kind, (*notice.sets(kind), posted)))
        return json_answer({"id": posted.id, "items": posted.as_rows()}, 201)


for path, kind in SET_KINDS.items():
    _item_set_routes(path, kind)


def _check_open(notice: Notice, kind: str) -> None:
    if kind == ANNOUNCED and notice.state != INITIAL:
        raise ProblemError(409, f"the announcement is confirmed, state is {notice.state}")
    if kind != ANNOUNCED and notice.state in (INITIAL, READY_FOR_RECEIVE):
        raise ProblemError(409, f"there is nothing to dispatch in state {notice.state}")


def _with_announced(call: Call, notice: Notice, items: Items) -> Notice:
    if not items:
        return notice
    return notice.with_sets(ANNOUNCED, (*notice.announced_sets, _item_set(call, notice, ANNOUNCED, items)))


def _item_set(call: Call, notice: Notice, kind: str, items: Items) -> ItemSet:
    return ItemSet(stable_uuid(notice.id, kind, len(notice.sets(kind)), items), call.now, items)


def _create(call: Call, id: str) -> Response:
    call.check_content_type()
    fields, items = parse_fields(call)
    if fields[MERCHANT] not in call.state.merchant_ids:
        raise call.no_access(f"merchant {fields[MERCHANT]}")
    notice = Notice(id, fields[MERCHANT], call.state.notices.next_advice_id(), fields, call.now)
    return _written(call, _with_announced(call, notice, items), status=201)


def _update(call: Call) -> Response:
    # Without If-Match this is a second attempt to create it.
    notice = _to_change(call, missing_status=call.options.stale_etag_status)
    fields, items = parse_fields(call)
    if fields[MERCHANT] != notice.merchant_id:
        raise ProblemError(400, f"{MERCHANT} of a notice cannot change")
    if notice.state != INITIAL:
        raise ProblemError(409, f"a notice can be changed in state {INITIAL}, not {notice.state}")
    return _written(call, _with_announced(call, replace(notice, fields=fields), items), status=200)


def _written(call: Call, notice: Notice, status: int) -> Response:
    """Write the notice and answer it. No entity tag: the docs name it for the answers to GET only."""
    call.state.notices.write(notice)
    headers = {"Location": f"{call.base_url}{BASE}/{notice.id}"} if status == 201 else {}
    if call.options.created_notice_body == "empty":
        return Response(status_code=201 if status == 201 else 204, headers=headers)
    return json_answer(shown(call, notice), status, headers)


def _seen(call: Call, id: str = "") -> Notice:
    """The notice as of now, by default that of the path; 400, 403 or 404 if there is none for this client."""
    id = id or call.ids["notice_id"]
    notice = call.state.notices.find(parse_uuid(id, "shipping notice id"))
    if notice is None:
        raise ProblemError(404, f"shipping notice {id} is unknown")
    if notice.merchant_id not in call.state.merchant_ids:
        raise call.no_access(f"shipping notice {id}")
    return call.state.notices.as_of_now(notice)


def _to_change(call: Call, missing_status: int = 428) -> Notice:
    """The notice as of now, if the request knows it so.

    :param missing_status: of a write without ``If-Match``.
    """
    notice = _seen(call)
    call.check_content_type()
    header = call.request.headers.get("if-match")
    if header is None:
        raise ProblemError(missing_status, "If-Match is required")
    if notice.etag not in tags(header) and header.strip() != "*":
        raise ProblemError(call.options.stale_etag_status, "the shipping notice has changed: If-Match is stale")
    return notice


def _to_confirm(call: Call) -> Notice:
    notice = _to_change(call)
    if call.body and call.object():
        raise ProblemError(400, "a confirmation is an empty object")
    return notice
