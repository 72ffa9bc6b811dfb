"""How shipping notices are shown (source: zDirect docs, *Shipping Notices*), with entity tags."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.answers import compact, json_answer
from airflow_provider_zdirect.emulator.drift import loosened
from airflow_provider_zdirect.emulator.notice import ANNOUNCED, DISPATCH, Notice, etag_of
from airflow_provider_zdirect.emulator.options import Options

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
