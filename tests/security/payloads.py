"""Texts that are dangerous where something takes them for more than a text."""

from __future__ import annotations

PATHS = (
    "../../../../../../tmp/zdirect-injected",
    "/tmp/zdirect-injected",
    "..",
    "..\\..\\zdirect-injected",
    "%2e%2e%2f%2e%2e%2fzdirect-injected",
    "a/b/../../../c",
    "C:\\zdirect-injected",
    "file:///tmp/zdirect-injected",
    "~/zdirect-injected",
    "a\x00b",
    "x" * 5_000,
    "*?[a]",
)
LINES = (
    "a\r\nX-Injected: yes",
    "a\n[2026-11-29 00:00:00] {forged.py:1} ERROR - forged",
    "a\rforged",
    "a\x1b[2J\x1b[31mforged",
    "a\u2028forged\u2029forged\x85forged",
    "a\u202eforged",
)
FORMULAS = (
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\uff1d1+1",
    "\uff0b1+1",
    "\uff0d1+1",
    "\uff20SUM(1)",
)
MARKUP = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</td></table><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;b&gt;",
)
CODE = (
    "'; DROP TABLE candidates; --",
    "' OR '1'='1",
    "\"; ATTACH '/tmp/zdirect-injected'; --",
    "$since",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "${jndi:ldap://127.0.0.1/a}",
    "%s%s%n{0}{message}",
)
ALL = (*PATHS, *LINES, *FORMULAS, *MARKUP, *CODE)
