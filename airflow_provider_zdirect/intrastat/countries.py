# SPDX-License-Identifier: Apache-2.0
"""Codes of countries: those between which Intrastat is declared, and all that there are."""

from __future__ import annotations

# ISO codes as zDirect sends them; Northern Ireland (XI) counts as the EU for goods.
EU = {
    "AT": "Austria",
    "BE": "Belgium",
    "BG": "Bulgaria",
    "CY": "Cyprus",
    "CZ": "Czechia",
    "DE": "Germany",
    "DK": "Denmark",
    "EE": "Estonia",
    "ES": "Spain",
    "FI": "Finland",
    "FR": "France",
    "GR": "Greece",
    "HR": "Croatia",
    "HU": "Hungary",
    "IE": "Ireland",
    "IT": "Italy",
    "LT": "Lithuania",
    "LU": "Luxembourg",
    "LV": "Latvia",
    "MT": "Malta",
    "NL": "Netherlands",
    "PL": "Poland",
    "PT": "Portugal",
    "RO": "Romania",
    "SE": "Sweden",
    "SI": "Slovenia",
    "SK": "Slovakia",
    "XI": "Northern Ireland",
}

NAMES = {**EU, "GB": "United Kingdom"}

ALIASES = {"EL": "GR", "UK": "GB"}
"""Codes that the EU writes for countries which have another one in ISO 3166-1, as zDirect sends it."""

CUSTOMS = frozenset({"QU", "QV", "QW", "QX", "QY", "QZ", "XC", "XL", "XS", "XU"})
"""Origins of the EU's Geonomenclature (Regulation (EU) 2020/1470) besides CODES: countries that are not
specified, Ceuta, Melilla, Serbia, and the United Kingdom without Northern Ireland."""

_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB
GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX
MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE
SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC
VE VG VI VN VU WF WS YE YT ZA ZM ZW
XI XK
"""
CODES = frozenset(_CODES.split())
"""ISO 3166-1 alpha-2, and XI (Northern Ireland) and XK (Kosovo), which the EU's customs have besides."""


def titled(code: str) -> str:
    """``Poland (PL)``; the code alone where no name is known."""
    return f"{NAMES[code]} ({code})" if code in NAMES else code
