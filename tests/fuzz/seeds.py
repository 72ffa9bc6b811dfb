"""The seeds of the targets, and changes of them that keep much of their form."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

CORPUS = Path(__file__).parent / "corpus"

WORDS = [
    b"null", b"true", b"-1", b"0", b"1e999", b"9" * 30, b"NaN", b'""', b"[]", b"{}", b"[[", b'{"', b'":', b",", b"\\",
    b'"', b"\\ud800", b"\\u0000", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\xa0", b"\r\n", b"\n",
    b"\r", b"\t", b";", b"=", b"'", b"<", b">", b"%", b"..", b"/", b"{{", b"{secret}", b"{token}", b"{key}",
    b"2026-11-21T00:00:00Z", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59.999999-12:00", b"P1D", b"PT1H",
    b"gzip", b"chunked", b"Location: ", b"Content-Length: ", b"Content-Encoding: gzip\r\n", b"Retry-After: ",
    b"Transfer-Encoding: chunked\r\n",
]  # fmt: skip


def seeds(target: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


@st.composite
def changed(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """A seed with parts cut out, doubled, or replaced."""
    data = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + draw(st.sampled_from([0, 1, 8, 64, 4096])))))
        part = data[start:end]
        new = draw(
            st.one_of(
                st.sampled_from(WORDS),
                st.binary(max_size=4),
                st.just(b""),
                st.integers(2, 50).map(lambda times, part=part: part * times),
                st.sampled_from([8, 64, 1024, 60_000]).flatmap(
                    lambda times: st.sampled_from(WORDS).map(lambda word: word * times)
                ),
            )
        )
        data = (data[:start] + new + data[end:])[:200_000]
    return data


def examples(target: str) -> st.SearchStrategy[bytes]:
    return st.one_of(changed(seeds(target)), st.binary(max_size=300))
