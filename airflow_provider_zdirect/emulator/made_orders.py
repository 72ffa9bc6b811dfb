# SPDX-License-Identifier: Apache-2.0
"""Orders of an emulated world: those of the last days, and those that tests add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from airflow_provider_zdirect.emulator.catalog import (
    WAREHOUSE_COUNT,
    Article,
    Customer,
    articles,
    customers,
    stable_uuid,
    warehouse_id,
)
from airflow_provider_zdirect.emulator.clock import order_time, whole_millisecond
from airflow_provider_zdirect.emulator.order import (
    APPROVED,
    CANCELED,
    FULFILLED,
    INITIAL,
    PARTNER,
    RESERVED,
    RETURNED,
    SHIPPED,
    ZALANDO,
    Item,
    Line,
    Order,
    Shipment,
)

DAY = 86_400
# A number of items or lines, or the least and the most.
Amount = int | tuple[int, int]
SOME = (1, 3)
DESCRIPTIONS = (
    "Print T-shirt - navy",
    "Slim fit jeans - blue denim",
    "Trainers - white",
    "Jumper - off-white",
    "Dress",
)
# Statuses of a line after the first one.
STEPS = {
    INITIAL: (),
    RESERVED: (RESERVED,),
    SHIPPED: (RESERVED, SHIPPED),
    RETURNED: (RESERVED, SHIPPED, RETURNED),
    CANCELED: (RESERVED, CANCELED),
}
REFUND_REASONS = ("DELIVERY_IS_MISSING_WAREHOUSE", "GOODWILL", "RETURN")
# Who may be the text of these is not documented; the examples show an empty text, or this.
SYSTEM = "system"


class Plan(NamedTuple):
    """What an order has become when it is made; if ``mixed``, some lines are canceled or not returned."""

    order_type: str
    status: str
    line_status: str
    created_at: datetime
    modified_at: datetime
    exported: bool
    mixed: bool = False


class OrderMaker:
    """Makes the orders of one merchant, whose customers order on these sales channels."""

    def __init__(
        self, seed: int, merchant_id: str, channels: list[dict[str, Any]], centers: list[dict[str, Any]]
    ) -> None:
        self._seed = seed
        self._merchant_id = merchant_id
        self._articles = articles(seed, merchant_id)
        self._customers = customers(seed, merchant_id, channels)
        self._warehouses = tuple(warehouse_id(seed, number) for number in range(WAREHOUSE_COUNT))
        self._centers = tuple(center["logistic_center_id"] for center in centers)
        self._stock_location = stable_uuid(seed, "partner stock location", merchant_id)
        self._zalando = stable_uuid(seed, "logistics provider")

    def seeded(self, now: datetime, per_day: int, days: int) -> Iterator[Order]:
        """Those of the last days, oldest first; the same for the same stretch of time, whenever it is asked for."""
        if not (per_day and days and self._customers):
            return
        step = DAY / per_day
        end = int(now.timestamp() / step)
        for slot in range(end - per_day * days, end):
            rng = self._rng(f"{per_day}/{slot}")
            created_at = datetime.fromtimestamp((slot + rng.random()) * step, UTC)
            # Seven of ten are fulfilled by the partner.
            plan = _planned(rng, PARTNER if slot * 3 % 10 < 7 else ZALANDO, created_at, now)
            yield self._order(rng, plan, SOME, SOME, {})

    def added(
        self, number: int, created_at: datetime, items: Amount, lines: Amount, attributes: Mapping[str, Any]
    ) -> Order:
        """One order as a test wants it; ``number`` makes each another one."""
        if not self._customers:
            raise ValueError(f"merchant {self._merchant_id} has no sales channel")
        status = str(attributes.get("status", APPROVED))
        plan = Plan(
            order_type=str(attributes.get("order_type", PARTNER)),
            status=status,
            line_status={INITIAL: INITIAL, APPROVED: RESERVED}.get(status, SHIPPED),
            created_at=created_at,
            modified_at=created_at,
            exported=bool(attributes.get("exported", attributes.get("merchant_order_id") or status == FULFILLED)),
        )
        return self._order(self._rng(f"added/{number}"), plan, items, lines, attributes)

    def _rng(self, label: str) -> Random:
        return Random(f"{self._seed}/{self._merchant_id}/orders/{label}")  # noqa: S311 - reproducible, not secret

    def _order(self, rng: Random, plan: Plan, items: Amount, lines: Amount, attributes: Mapping[str, Any]) -> Order:
        customer = rng.choice(self._customers)
        created_at, modified_at = whole_millisecond(plan.created_at), whole_millisecond(plan.modified_at)
        is_partner, order_id = plan.order_type == PARTNER, uuid_of(rng)
        is_sent = plan.status == FULFILLED and plan.line_status != CANCELED and is_partner
        order = Order(
            id=order_id,
            merchant_id=self._merchant_id,
            attributes={
                "merchant_id": self._merchant_id,
                "logistics_provider_id": self._merchant_id if is_partner else self._zalando,
                "order_id": order_id,
                "order_number": f"10{rng.randrange(10**14):014d}",
                "order_date": order_time(created_at - timedelta(minutes=rng.random() * 5)),
                "merchant_order_id": f"M{rng.randrange(10**8):08d}" if plan.exported and is_partner else "",
                "sales_channel_id": customer.sales_channel_id,
                "locale": customer.locale,
                "customer_number": customer.number,
                "status": INITIAL,
                "shipping_address": customer.shipping_address,
                "shipment_number": f"{rng.randrange(10**17):018d}",
                "billing_address": customer.billing_address,
                "tracking_number": f"T{rng.randrange(10**12):012d}" if is_sent else "",
                "return_tracking_number": f"R{rng.randrange(10**12):012d}" if is_sent else "",
                "order_lines_count": 0,
                "order_lines_price_amount": 0,
                "order_lines_price_currency": customer.currency,
                "delivery_end_date": order_time(created_at + timedelta(days=4)),
                "exported": plan.exported and is_partner,
                "created_by": "",
                "created_at": order_time(created_at),
                "modified_by": "",
                "modified_at": order_time(modified_at),
                "order_type": plan.order_type,
                "customer_email": customer.email,
                "customer_phone": {"number": customer.phone},
                "shipping_costs": {"amount": rng.choice((0, 0, 4.9)), "currency": customer.currency},
                "stock_location_id": self._stock_location if is_partner else rng.choice(self._warehouses),
            },
            items=[],
            created_at=created_at,
            modified_at=modified_at,
        )
        for article in rng.sample(self._articles, _amount(rng, items)):
            order.items.append(self._item(rng, order, article, customer, _amount(rng, lines), plan))
        prices = [line.attributes["price"]["amount"] for _, line in order.lines()]
        order.attributes.update(order_lines_count=len(prices), order_lines_price_amount=money(sum(prices)))
        order.set_fields(attributes)
        _add_history(rng, order, plan)
        order.shipments.append(_default_shipment(rng, order))
        return order

    def _item(self, rng: Random, order: Order, article: Article, customer: Customer, lines: int, plan: Plan) -> Item:
        item_id = uuid_of(rng)
        times = {name: order.attributes[name] for name in ("created_at", "modified_at")}
        written = {"created_by": SYSTEM, "modified_by": SYSTEM, **times}
        attributes = {
            "order_item_id": item_id,
            "order_id": order.id,
            "article_id": article.sku_simple,
            "external_id": article.ean,
            "description": DESCRIPTIONS[article.number % len(DESCRIPTIONS)],
            **written,
        }
        price = _price(article)
        item = Item(item_id, attributes, [])
        for _ in range(lines):
            line_id = uuid_of(rng)
            discounted = money(price * rng.uniform(0.7, 0.9)) if rng.random() < 0.2 else price
            line = {
                "order_line_id": line_id,
                "order_item_id": item_id,
                "status": _line_status(rng, plan),
                "price": {"amount": price, "currency": customer.currency},
                "discounted_price": {"amount": discounted, "currency": customer.currency},
                **written,
                "source_stock_location_id": order.attributes["stock_location_id"],
            }
            self._add_extras(rng, line, plan)
            item.lines.append(Line(line_id, line))
        item.count()
        return item

    def _add_extras(self, rng: Random, line: dict[str, Any], plan: Plan) -> None:
        is_partner = plan.order_type == PARTNER
        # For Zalando's own stock it can be unknown until the order is fulfilled.
        if not is_partner and plan.status != FULFILLED and rng.random() < 0.5:
            line["source_stock_location_id"] = ""
        if line["status"] in (SHIPPED, RETURNED) and is_partner and self._centers:
            line["outbound_logistic_center_id"] = rng.choice(self._centers)
        if line["status"] == RETURNED:
            amounts = (1, -1) if rng.random() < 0.2 else (1,)
            line["refunds"] = [_refund(rng, line, sign) for sign in amounts]
            if not is_partner:
                line["return_stock_location_id"] = rng.choice(self._warehouses)
        if is_partner and rng.random() < 0.1:
            line["merchant_specified_identifier"] = {"type": "UPOS-15", "value": f"{rng.randrange(10**15):015d}"}


def uuid_of(rng: Random) -> str:
    bits = f"{rng.getrandbits(128):032x}"
    return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}"


def money(amount: float) -> float:
    """As real answers have it: ``50`` or ``34.9``."""
    amount = round(amount, 2)
    return int(amount) if amount == int(amount) else amount


def _price(article: Article) -> float:
    if article.number % 3 == 0:
        return round(article.price)
    return money(int(article.price) + 0.9 if article.number % 3 == 1 else article.price)


def _amount(rng: Random, amount: Amount) -> int:
    return amount if isinstance(amount, int) else rng.randint(*amount)


def _planned(rng: Random, order_type: str, created_at: datetime, now: datetime) -> Plan:
    """What the order has become by now: first it is approved, a day or two later it is shipped, then maybe returned."""
    approved_at = created_at + timedelta(hours=rng.uniform(1, 5))
    exported_at = approved_at + timedelta(hours=rng.uniform(0.5, 3))
    shipped_at = exported_at + timedelta(hours=rng.uniform(20, 50))
    returned_at = shipped_at + timedelta(hours=rng.uniform(20, 50))
    is_returned, is_unpaid = rng.random() < 0.25, rng.random() < 0.03
    if now < approved_at:
        return Plan(order_type, INITIAL, INITIAL, created_at, created_at, False)
    if is_unpaid:
        return Plan(order_type, FULFILLED, CANCELED, created_at, approved_at, False)
    if now < exported_at:
        return Plan(order_type, APPROVED, RESERVED, created_at, approved_at, False)
    if now < shipped_at:
        return Plan(order_type, APPROVED, RESERVED, created_at, exported_at, True)
    if now < returned_at or not is_returned:
        return Plan(order_type, FULFILLED, SHIPPED, created_at, shipped_at, True, mixed=True)
    return Plan(order_type, FULFILLED, RETURNED, created_at, returned_at, True, mixed=True)


def _line_status(rng: Random, plan: Plan) -> str:
    if not plan.mixed:
        return plan.line_status
    chance = rng.random()
    if chance < 0.06:
        return CANCELED
    return RETURNED if plan.line_status == RETURNED and chance < 0.8 else SHIPPED


def _refund(rng: Random, line: dict[str, Any], sign: int) -> dict[str, Any]:
    return {
        "date": line["modified_at"].replace("+00:00", "Z"),
        "amount": sign * line["discounted_price"]["amount"],
        "reason": rng.choice(REFUND_REASONS),
        "trigger": rng.choice(("manual", "automatic")),
        "currency": line["discounted_price"]["currency"],
    }


def _add_history(rng: Random, order: Order, plan: Plan) -> None:
    """The transitions that led to the present status, spread over the time of the order."""
    span = order.modified_at - order.created_at
    for _, line in order.lines():
        status = INITIAL
        for following in STEPS[line.status]:
            part = {RESERVED: 0.05, SHIPPED: 0.7 if line.status == RETURNED else 1.0}.get(following, 1.0)
            reason = rng.choice((1, 2, 3, 6, 10)) if following == RETURNED else None
            at = order.created_at + span * part
            line.transitions.append(order.transition(status, following, at, SYSTEM, reason))
            status = following
    status = INITIAL
    for following in {INITIAL: (), APPROVED: (APPROVED,)}.get(plan.status, (APPROVED, FULFILLED)):
        at = order.created_at + span * (0.05 if plan.status == FULFILLED and following == APPROVED else 1.0)
        order.transitions.append(order.transition(status, following, at, SYSTEM))
        status = following
    order.attributes["status"] = plan.status


def _default_shipment(rng: Random, order: Order) -> Shipment:
    id, statuses = uuid_of(rng), {line.status for _, line in order.lines()}
    done = CANCELED if statuses == {CANCELED} else SHIPPED
    same = ("shipment_number", "tracking_number", "return_tracking_number", "created_at", "modified_at")
    attributes = {
        "shipment_id": id,
        "merchant_specified_shipment_id": "",
        "order_lines": [{"order_line_id": line.id} for _, line in order.lines()],
        "weight": {"value": 300 * order.attributes["order_lines_count"], "unit": "g"},
        "status": done if order.status == FULFILLED else INITIAL,
        **{name: order.attributes[name] for name in same},
    }
    return Shipment(id, attributes)
