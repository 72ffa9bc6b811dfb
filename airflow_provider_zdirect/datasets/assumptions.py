# SPDX-License-Identifier: Apache-2.0
"""What is not confirmed about zDirect's API: the table of what this package assumes, each assumption with its reason.

A deployment that knows better sets them once, in ``assumptions`` of the zDirect connection's extra.
``docs/assumptions.md`` is generated from this table.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from airflow_provider_zdirect.datasets.record import Quantity
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

_Name = Annotated[str, Field(min_length=1)]
_Count = Annotated[Quantity, Field(ge=1, lt=10**9)]
_SEGMENT = "[A-Za-z0-9._~-]"
_DocumentPath = Annotated[
    str, Field(pattern=rf"^(/{_SEGMENT}+)*/{_SEGMENT}*\{{document_id\}}{_SEGMENT}*(/{_SEGMENT}+)*$")
]


class Assumptions(BaseModel):
    """What a deployment assumes: the defaults, and its own values instead of some.

    Each field has the endpoint that it is about as its title, and says what is unconfirmed, and why the default is what
    it is.

    :param values: by name of an assumption.
    :raises ZDirectConfigurationError: if an assumption is unknown, or its value is not valid.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, coerce_numbers_to_str=True)

    liquidation_order_parameter: Literal["purchase-order-number", "purchase_order_number"] = Field(
        "purchase-order-number",
        title="`liquidated_items`",
        description="The specification names the parameter of the purchase order with hyphens; its own prose and an "
        "older copy of the docs write underscores. An answer with other purchase orders is refused.",
    )
    liquidation_last_date: Literal["inclusive", "exclusive"] = Field(
        "inclusive",
        title="`liquidated_items`",
        description="Whether the date in `to` is part of the answer. By the examples it is. If every day is empty "
        "although the portal shows liquidations, set `exclusive`.",
    )
    empty_snapshot: Literal["zero", "refuse"] = Field(
        "zero",
        title="`item_quantity_snapshots`",
        description="zDirect lists only EANs with stock, so a snapshot with `created` and without EANs most likely "
        "means that there is no stock. `zero` publishes it so, and a later answer of the same `created` with EANs "
        "replaces it; `refuse` fails the task.",
    )
    changed_since_parameter: _Name = Field(
        "from",
        title="`item_quantities`",
        description="The docs say that EANs whose stock changed since a time can be requested, but not the name of the "
        "parameter. Every other ZFS endpoint calls the start of a time span `from`.",
    )
    eans_per_request: _Count = Field(
        100,
        title="`item_quantities`",
        description="The docs name no maximum. A hundred EANs make a URL of 1,500 characters.",
    )
    notices_cursor_parameter: _Name = Field(
        "cursor",
        title="`shipping_notices`",
        description="How `next` is given back is not documented for this endpoint. The other paged ones of ZFS call it "
        "`cursor`.",
    )
    current_item_set: Literal["last", "first"] = Field(
        "last",
        title="item sets of shipping notices",
        description="What the collection of item sets answers is not documented: one set, or a list of all. Of a list, "
        "the last one is taken as current, because each set that is posted replaces the one before.",
    )
    confirmation_body: Literal["object", "none"] = Field(
        "object",
        title="confirmations of shipping notices",
        description="The body of a confirmation is not documented. One public client sends an empty object, and "
        "zDirect requires a JSON content type with every POST; `none` sends no body.",
    )
    orders_page_size: _Count = Field(
        1000,
        title="`orders`",
        description="The largest page is not documented; the docs recommend 1000.",
    )
    orders_page_parameters: Literal["page[number]", "page_number"] = Field(
        "page[number]",
        title="`orders`",
        description="The specification spells the parameters with brackets, one page of the docs with an underscore.",
    )
    return_reason_as: Literal["number", "text"] = Field(
        "number",
        title="order updates",
        description="The reason of a return is a number in the specification, and a text in a template of the docs. "
        "The default follows the specification.",
    )
    tracking_effect: Literal["look", "wait"] = Field(
        "look",
        title="order updates",
        description="zDirect requires five seconds between the tracking numbers and the shipped line, or they may be "
        "processed out of order; how soon it shows the numbers is not documented. `look` waits and ships only an order "
        "that shows its numbers, for up to a minute; `wait` ships after the five seconds.",
    )
    unknown_live: Literal["live", "not_live"] = Field(
        "live",
        title="stock updates",
        description="Whether a sales channel without the field `live` gets stock levels; no field of a sales channel "
        "is declared required. By default it does: a superfluous update is refused and reported, but a channel that is "
        "left out would sell what is gone.",
    )
    documents_order_parameter: _Name = Field(
        "order_id",
        title="shipping documents",
        description="How the documents of one order are requested. The docs show `order_id`, in a copy that breaks "
        "off. An answer about another order fails the task, so an ignored parameter cannot mix up labels.",
    )
    document_path: _DocumentPath = Field(
        "/zss/shipping-documents/{document_id}",
        title="shipping documents",
        description="The path of one PDF is not documented. The default follows from the path of the list.",
    )
    no_documents: Literal["empty", "not_found"] = Field(
        "empty",
        title="shipping documents",
        description="What zDirect answers for an order without documents is not documented. `empty`: an empty list, "
        "and a 404 means an unknown order, which counts as failed; `not_found`: a 404 means no documents, too.",
    )
    unnamed_order: Literal["refuse", "trust"] = Field(
        "refuse",
        title="shipping documents",
        description="Whether every document names its order is not confirmed; in the docs it does. `refuse`: an order "
        "counts as failed if one of its documents does not, because nothing else shows that zDirect applied the "
        "parameter, and a label on the wrong parcel is worse than none; `trust`: the document belongs to the requested "
        "order. Documents of another order fail the task either way.",
    )
    documents_per_minute: Annotated[str, Field(pattern=r"^(default|[1-9][0-9]{0,8})$")] = Field(
        "default",
        title="shipping documents",
        description="The rate limit is not documented. `default` is the limit of the same documents for returns (ZRS): "
        "400 requests a minute in production, 40 in sandbox.",
    )

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        values, known = values or {}, type(self).model_fields
        if unknown := [name for name in values if name not in known]:
            nearest = difflib.get_close_matches(unknown[0], known, n=1)
            raise ZDirectConfigurationError(
                f"assumptions: {unknown[0][:60]!r} is not an assumption"
                + (f" (did you mean {nearest[0]!r}?)." if nearest else "."),
                remedy=f"Use: {', '.join(known)}.",
            )
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            raise ZDirectConfigurationError(
                f"assumptions: {name}={first['input']!r:.60} is not valid: {first['msg']}.",
                remedy=f"Correct it, or leave it out for the default, {known[name].default}.",
            ) from None


DEFAULTS = Assumptions()
