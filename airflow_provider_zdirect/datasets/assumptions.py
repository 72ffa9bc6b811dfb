"""What is not confirmed about zDirect's API: the table of what this package assumes, each assumption with its reason.

A deployment that knows better sets them once, in ``assumptions`` of the zDirect connection's extra. Code reads
``client.assumptions[...]``. ``docs/assumptions.md`` is generated from this table.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

T = TypeVar("T", str, int)


@dataclass(frozen=True)
class Assumption(Generic[T]):
    """One assumption.

    :param where: the endpoint that it is about.
    :param about: what is unconfirmed, and why the default is what it is.
    :param choices: the possible values; empty: any text, or any number of 1 or more if the default is a number.
    :param pattern: what a text has to match.
    """

    name: str
    where: str
    about: str
    default: T
    choices: tuple[T, ...] = ()
    pattern: str = r"\S.*"

    def checked(self, value: Any) -> T:
        """``value`` in the type of the default.

        :raises ZDirectConfigurationError: if it is not possible.
        """
        text = str(value).strip() if isinstance(value, str | int) else ""
        if isinstance(self.default, int):
            if re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
                return int(text)
            wanted = "a number of 1 or more"
        elif re.fullmatch(self.pattern, text) and text in (self.choices or (text,)):
            return text
        else:
            wanted = f"one of {', '.join(self.choices)}" if self.choices else f"a text such as {self.default}"
        raise ZDirectConfigurationError(
            f"assumptions: {self.name}={value!r:.60} is not {wanted}.",
            remedy=f"Correct it, or leave it out for the default, {self.default}.",
        )


@dataclass(frozen=True)
class Assumptions:
    """What a deployment assumes: the defaults, and its own values instead of some.

    :param values: by name of an assumption.
    :raises ZDirectConfigurationError: if an assumption is unknown, or its value is not valid.
    """

    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checked = {}
        for name, value in self.values.items():
            if name not in ASSUMPTIONS:
                nearest = difflib.get_close_matches(str(name), ASSUMPTIONS, n=1)
                raise ZDirectConfigurationError(
                    f"assumptions: {str(name)[:60]!r} is not an assumption"
                    + (f" (did you mean {nearest[0]!r}?)." if nearest else "."),
                    remedy=f"Use: {', '.join(ASSUMPTIONS)}.",
                )
            checked[name] = ASSUMPTIONS[name].checked(value)
        object.__setattr__(self, "values", checked)

    def __getitem__(self, assumption: Assumption[T]) -> T:
        return cast("T", self.values.get(assumption.name, assumption.default))

    def __hash__(self) -> int:
        return hash(frozenset(self.values.items()))


LIQUIDATION_ORDER_PARAMETER = Assumption(
    "liquidation_order_parameter",
    "`liquidated_items`",
    "The specification names the parameter of the purchase order with hyphens; its own prose and an older copy of the "
    "docs write underscores. An answer with other purchase orders is refused.",
    "purchase-order-number",
    ("purchase-order-number", "purchase_order_number"),
)
LIQUIDATION_LAST_DATE = Assumption(
    "liquidation_last_date",
    "`liquidated_items`",
    "Whether the date in `to` is part of the answer. By the examples it is.",
    "inclusive",
    ("inclusive", "exclusive"),
)
EMPTY_SNAPSHOT = Assumption(
    "empty_snapshot",
    "`item_quantity_snapshots`",
    "zDirect lists only EANs with stock, so a snapshot with `created` and without EANs most likely means that there is "
    "no stock. `zero` publishes it so, and a later answer of the same `created` with EANs replaces it; `refuse` fails "
    "the task.",
    "zero",
    ("zero", "refuse"),
)
CHANGED_SINCE_PARAMETER = Assumption(
    "changed_since_parameter",
    "`item_quantities`",
    "The docs say that EANs whose stock changed since a time can be requested, but not the name of the parameter. "
    "Every other ZFS endpoint calls the start of a time span `from`.",
    "from",
)
EANS_PER_REQUEST = Assumption(
    "eans_per_request",
    "`item_quantities`",
    "The docs name no maximum. A hundred EANs make a URL of 1,500 characters.",
    100,
)
NOTICES_CURSOR_PARAMETER = Assumption(
    "notices_cursor_parameter",
    "`shipping_notices`",
    "How `next` is given back is not documented for this endpoint. The other paged ones of ZFS call it `cursor`.",
    "cursor",
)
CURRENT_ITEM_SET = Assumption(
    "current_item_set",
    "item sets of shipping notices",
    "What the collection of item sets answers is not documented: one set, or a list of all. Of a list, the last one is "
    "taken as current, because each set that is posted replaces the one before.",
    "last",
    ("last", "first"),
)
CONFIRMATION_BODY = Assumption(
    "confirmation_body",
    "confirmations of shipping notices",
    "The body of a confirmation is not documented. One public client sends an empty object, and zDirect requires a "
    "JSON content type with every POST; `none` sends no body.",
    "object",
    ("object", "none"),
)
ORDERS_PAGE_SIZE = Assumption(
    "orders_page_size",
    "`orders`",
    "The largest page is not documented; the docs recommend 1000.",
    1000,
)
ORDERS_PAGE_PARAMETERS = Assumption(
    "orders_page_parameters",
    "`orders`",
    "The specification spells the parameters with brackets, one page of the docs with an underscore.",
    "page[number]",
    ("page[number]", "page_number"),
)
RETURN_REASON_AS = Assumption(
    "return_reason_as",
    "order updates",
    "The reason of a return is a number in the specification, and a text in a template of the docs. The default "
    "follows the specification.",
    "number",
    ("number", "text"),
)
TRACKING_EFFECT = Assumption(
    "tracking_effect",
    "order updates",
    "zDirect requires five seconds between the tracking numbers and the shipped line, or they may be processed out of "
    "order; how soon it shows the numbers is not documented. `look` waits and ships only an order that shows its "
    "numbers, for up to a minute; `wait` ships after the five seconds.",
    "look",
    ("look", "wait"),
)
UNKNOWN_LIVE = Assumption(
    "unknown_live",
    "stock updates",
    "Whether a sales channel without the field `live` gets stock levels; no field of a sales channel is declared "
    "required. By default it does: a superfluous update is refused and reported, but a channel that is left out would "
    "sell what is gone.",
    "live",
    ("live", "not_live"),
)
DOCUMENTS_ORDER_PARAMETER = Assumption(
    "documents_order_parameter",
    "shipping documents",
    "How the documents of one order are requested. The docs show `order_id`, in a copy that breaks off. An answer "
    "about another order fails the task, so an ignored parameter cannot mix up labels.",
    "order_id",
)
DOCUMENT_PATH = Assumption(
    "document_path",
    "shipping documents",
    "The path of one PDF is not documented. The default follows from the path of the list.",
    "/zss/shipping-documents/{document_id}",
    pattern=r"(?!.*\}.*\})(?=.*\{document_id\})(/([A-Za-z0-9._~-]|\{document_id\})+)+",
)
NO_DOCUMENTS = Assumption(
    "no_documents",
    "shipping documents",
    "What zDirect answers for an order without documents is not documented. `empty`: an empty list, and a 404 means an "
    "unknown order, which counts as failed; `not_found`: a 404 means no documents, too.",
    "empty",
    ("empty", "not_found"),
)
UNNAMED_ORDER = Assumption(
    "unnamed_order",
    "shipping documents",
    "Whether every document names its order is not confirmed; in the docs it does. `refuse`: an order counts as failed "
    "if one of its documents does not, because nothing else shows that zDirect applied the parameter, and a label on "
    "the wrong parcel is worse than none; `trust`: the document belongs to the requested order. Documents of another "
    "order fail the task either way.",
    "refuse",
    ("refuse", "trust"),
)
DOCUMENTS_PER_MINUTE = Assumption(
    "documents_per_minute",
    "shipping documents",
    "The rate limit is not documented. `default` is the limit of the same documents for returns (ZRS): 400 requests a "
    "minute in production, 40 in sandbox.",
    "default",
    pattern=r"default|[1-9][0-9]{0,8}",
)

ASSUMPTIONS: Mapping[str, Assumption[Any]] = {
    each.name: each for each in list(globals().values()) if isinstance(each, Assumption)
}
