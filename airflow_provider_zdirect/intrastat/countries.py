"""The countries between which Intrastat is declared."""

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


def titled(code: str) -> str:
    """``Poland (PL)``; the code alone where it is none of the EU."""
    return f"{EU[code]} ({code})" if code in EU else code
