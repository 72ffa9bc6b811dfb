"""Shipping Notices API (zDirect docs: Shipping Notices): reading what clients write, showing notices, the routes."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from airflow_provider_zdirect.emulator.answers import ProblemError, compact, json_answer, next_page
from airflow_provider_zdirect.emulator.catalog import stable_uuid
from airflow_provider_zdirect.emulator.cursor import opened, sealed
from airflow_provider_zdirect.emulator.drift import loosened
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
from airflow_provider_zdirect.emulator.options import Options, reasons
from airflow_provider_zdirect.emulator.requests import (
    Body,
    admit_client,
    base_url,
    check_content_type,
    given,
    parse_date,
    parse_object,
    parse_uuid,
)
from airflow_provider_zdirect.emulator.state import EmulatorState
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


def shown(notice: Notice, base_url: str, options: Options) -> dict[str, Any]:
    """The notice as it is sent.

    :param base_url: where the emulator is, without a slash at the end.
    """
    href = f"{base_url}/zfs/shipping-notices/{notice.id}"
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
    return loosened(body, notice.id, options.drift, OPTIONAL)


def tagged(request: Request, content: dict[str, Any], etag: str | None = None) -> Response:
    """An answer with its entity tag, or 304 if the client has it.

    :param etag: ``None`` makes one of the content.
    """
    etag = etag or etag_of(compact(content))
    known = tags(request.headers.get("if-none-match", ""))
    if "*" in known or etag in [tag.removeprefix("W/") for tag in known]:
        return Response(status_code=304, headers={"ETag": etag})
    return json_answer(content, headers={"ETag": etag})


def tags(header: str) -> list[str]:
    """The entity tags of ``If-Match`` or ``If-None-Match``."""
    return [tag.strip() for tag in header.split(",") if tag.strip()]


def _local(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).isoformat()


BASE = "/zfs/shipping-notices"
LIST_LIMIT, ONE_LIMIT = "shipping-notices", "shipping-notice"
SET_KINDS = {"announced-item-sets": "announced", "dispatch-item-sets": "dispatch"}


def shipping_notices_router(state: EmulatorState) -> APIRouter:
    """Routes of the API."""
    router = APIRouter(prefix=BASE)

    @router.get("")
    def notices(request: Request) -> Response:
        admit_client(state, request, LIST_LIMIT)
        return tagged(request, _page(state, request))

    @router.post("")
    def create(request: Request, body: Body) -> Response:
        admit_client(state, request, LIST_LIMIT)
        if state.options.create_notice == "put":
            raise ProblemError(405, "notices are created with PUT", {"Allow": "GET"})
        check_content_type(request)
        with state.notices.lock:
            return _create(state, request, str(uuid.uuid4()), body)

    @router.get("/{notice_id}")
    def one(request: Request, notice_id: str) -> Response:
        admit_client(state, request, ONE_LIMIT)
        notice = _seen(state, notice_id)
        return tagged(request, shown(notice, base_url(request), state.options), notice.etag)

    @router.put("/{notice_id}")
    def put(request: Request, notice_id: str, body: Body) -> Response:
        admit_client(state, request, ONE_LIMIT)
        notice_id = parse_uuid(notice_id, "shipping notice id")
        with state.notices.lock:
            if state.find_notice(notice_id) is not None:
                return _update(state, request, notice_id, body)
            if "if-match" in request.headers:
                raise ProblemError(404, f"shipping notice {notice_id} is unknown")
            if state.options.create_notice == "post":
                raise ProblemError(405, "notices are created with POST", {"Allow": "GET"})
            if uuid.UUID(notice_id).version != 4:
                raise ProblemError(400, "the id of a new shipping notice is a UUID of version 4")
            check_content_type(request)
            return _create(state, request, notice_id, body)

    @router.post("/{notice_id}/announcement-confirmations")
    def confirm_announcement(request: Request, notice_id: str, body: Body) -> Response:
        admit_client(state, request, "announcement-confirmations")
        with state.notices.lock:
            notice = _to_change(state, request, notice_id)
            _check_empty(body)
            if notice.state != INITIAL:
                raise ProblemError(409, f"the announcement is confirmed already, state is {notice.state}")
            if not notice.announced_sets:
                raise ProblemError(409, "no items are announced")
            state.notices.write(replace(notice, announced_at=state.clock.now()))
        return json_answer({}, 201)

    @router.post("/{notice_id}/dispatch-confirmations")
    def confirm_dispatch(request: Request, notice_id: str, body: Body) -> Response:
        admit_client(state, request, "dispatch-confirmations")
        with state.notices.lock:
            notice = _to_change(state, request, notice_id)
            _check_empty(body)
            if notice.state != READY_FOR_DISPATCH:
                raise ProblemError(409, f"a dispatch is confirmed in state {READY_FOR_DISPATCH}, not {notice.state}")
            state.notices.write(replace(notice, dispatched_at=state.clock.now()))
        return json_answer({}, 201)

    for path, kind in SET_KINDS.items():
        _item_set_routes(router, state, path, kind)
    return router


def _item_set_routes(router: APIRouter, state: EmulatorState, path: str, kind: str) -> None:
    @router.get(f"/{{notice_id}}/{path}")
    def sets(request: Request, notice_id: str) -> Response:
        admit_client(state, request, path)
        posted = _seen(state, notice_id).sets(kind)
        if state.options.item_sets_shape == "set":
            return tagged(request, {"items": posted[-1].as_rows() if posted else []})
        return tagged(request, {path: [{"id": one.id, "items": one.as_rows()} for one in posted]})

    @router.get(f"/{{notice_id}}/{path}/{{set_id}}")
    def one_set(request: Request, notice_id: str, set_id: str) -> Response:
        admit_client(state, request, path)
        for one in _seen(state, notice_id).sets(kind):
            if one.id == set_id.lower():
                return tagged(request, {"id": one.id, "items": one.as_rows()})
        raise ProblemError(404, f"item set {set_id[:60]} is unknown")

    @router.post(f"/{{notice_id}}/{path}")
    def post_set(request: Request, notice_id: str, body: Body) -> Response:
        admit_client(state, request, path)
        with state.notices.lock:
            notice = _to_change(state, request, notice_id)
            items = parse_items(body)
            _check_open(notice, kind)
            posted = _item_set(state, notice, kind, items)
            # Of the notice with what is still to come, apart from a later set, which this one is instead of.
            whole = state.find_notice(notice.id) or notice
            state.notices.write(whole.with_sets(kind, (*notice.sets(kind), posted)))
        answer = {"id": posted.id, "items": posted.as_rows()}
        href = f"{base_url(request)}{BASE}/{notice.id}/{path}/{posted.id}"
        return json_answer(answer, 201, {"Location": href})


def _check_open(notice: Notice, kind: str) -> None:
    if kind == ANNOUNCED and notice.state != INITIAL:
        raise ProblemError(409, f"the announcement is confirmed, state is {notice.state}")
    if kind != ANNOUNCED and notice.state in (INITIAL, READY_FOR_RECEIVE):
        raise ProblemError(409, f"there is nothing to dispatch in state {notice.state}")


def _with_announced(state: EmulatorState, notice: Notice, items: Items) -> Notice:
    if not items:
        return notice
    return notice.with_sets(ANNOUNCED, (*notice.announced_sets, _item_set(state, notice, ANNOUNCED, items)))


def _item_set(state: EmulatorState, notice: Notice, kind: str, items: Items) -> ItemSet:
    return ItemSet(stable_uuid(notice.id, kind, len(notice.sets(kind)), items), state.clock.now(), items)


def _create(state: EmulatorState, request: Request, id: str, body: bytes) -> Response:
    fields, items = parse_fields(body)
    if fields[MERCHANT] not in state.merchant_ids:
        raise ProblemError(403, f"client {state.settings.client_id} has no access to merchant {fields[MERCHANT]}")
    notice = Notice(id, fields[MERCHANT], state.notices.next_advice_id(), fields, state.clock.now())
    notice = _with_announced(state, notice, items)
    state.notices.write(notice)
    return _written(state, request, notice, status=201)


def _update(state: EmulatorState, request: Request, id: str, body: bytes) -> Response:
    # Without If-Match this is a second attempt to create it.
    notice = _to_change(state, request, id, missing_status=state.options.stale_etag_status)
    fields, items = parse_fields(body)
    if fields[MERCHANT] != notice.merchant_id:
        raise ProblemError(400, f"{MERCHANT} of a notice cannot change")
    if notice.state != INITIAL:
        raise ProblemError(409, f"a notice can be changed in state {INITIAL}, not {notice.state}")
    notice = _with_announced(state, replace(notice, fields=fields), items)
    state.notices.write(notice)
    return _written(state, request, notice, status=200)


def _written(state: EmulatorState, request: Request, notice: Notice, status: int) -> Response:
    # No entity tag: the docs name it for the answers to GET only.
    headers = {"Location": f"{base_url(request)}{BASE}/{notice.id}"} if status == 201 else {}
    if state.options.created_notice_body == "empty":
        return Response(status_code=201 if status == 201 else 204, headers=headers)
    return json_answer(shown(notice, base_url(request), state.options), status, headers)


def _page(state: EmulatorState, request: Request) -> dict[str, Any]:
    size, keys = state.options.notices_page_size, state.notice_keys(state.merchant_ids)
    cursor = given(request.query_params, state.options.notices_cursor_parameter)
    if cursor:
        created_at, id = opened(LIST_LIMIT, cursor)
        keys = [key for key in keys if key > (datetime.fromisoformat(created_at), id)]
    rows = [shown(_seen(state, id), base_url(request), state.options) for _, id in keys[:size]]
    following = sealed(LIST_LIMIT, keys[size - 1][0].isoformat(), keys[size - 1][1]) if len(keys) > size else None
    return {"shipping-notices": rows, **next_page(following, state.options)}


def _seen(state: EmulatorState, id: str) -> Notice:
    """The notice as of now; 400, 403 or 404 if there is none for this client."""
    notice = state.find_notice(parse_uuid(id, "shipping notice id"))
    if notice is None:
        raise ProblemError(404, f"shipping notice {id} is unknown")
    if notice.merchant_id not in state.merchant_ids:
        raise ProblemError(403, f"client {state.settings.client_id} has no access to shipping notice {id}")
    return state.as_of_now(notice)


def _to_change(state: EmulatorState, request: Request, id: str, missing_status: int | None = None) -> Notice:
    """The notice as of now, if the request knows it so."""
    notice = _seen(state, id)
    check_content_type(request)
    header = request.headers.get("if-match")
    if header is None:
        raise ProblemError(missing_status or state.options.missing_etag_status, "If-Match is required")
    if notice.etag not in tags(header) and header.strip() != "*":
        raise ProblemError(state.options.stale_etag_status, "the shipping notice has changed: If-Match is stale")
    return notice


def _check_empty(body: bytes) -> None:
    if body and parse_object(body):
        raise ProblemError(400, "a confirmation is an empty object")
