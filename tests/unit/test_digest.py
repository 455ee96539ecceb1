"""Digests and directory manifests, against what DVC wrote."""

import hashlib
import io
import json

import pytest

from gitstage.digest import Digest, hash_bytes, hash_stream, manifest_bytes, manifest_digest, parse_manifest
from gitstage.errors import FormatError

A, B = "60b725f10c9c85c70d97880dfe8191b3", "3b5d5c3712955042212316173ccf37be"


def test_parse_and_text_are_inverse() -> None:
    for text in (A, A + ".dir"):
        assert str(Digest.parse(text)) == text
    assert Digest.parse(A) != Digest.parse(A, legacy=True)
    assert Digest.parse(A) != Digest.parse(A + ".dir")


@pytest.mark.parametrize(
    "text", ["", A.upper(), A[:-1], A + "0", A + ".", A + ".DIR", "../" + A[3:], A + ".dir.dir", "g" * 32]
)
def test_anything_else_is_no_digest(text: str) -> None:
    with pytest.raises(ValueError, match="not an MD5"):
        Digest.parse(text)


def test_manifest_is_dvcs() -> None:
    entries = {"sub/b.txt": Digest(B), "a.txt": Digest(A)}
    assert manifest_bytes(entries) == (
        b'[{"md5": "60b725f10c9c85c70d97880dfe8191b3", "relpath": "a.txt"},'
        b' {"md5": "3b5d5c3712955042212316173ccf37be", "relpath": "sub/b.txt"}]'
    )
    assert str(manifest_digest(entries)) == "849835d274483dc683eb416d6e4f887d.dir"
    assert str(manifest_digest({})) == "d751713988987e9331980363e24189ce.dir"


def test_manifest_order_is_by_code_point_and_ascii() -> None:
    names = ["aa", "a/b", "a.txt", "a.b", "a-b", "\U0001f600", "\uffee", 'q"\\\n\x7f']
    data = manifest_bytes(dict.fromkeys(names, Digest(A)))
    assert data.isascii()
    assert [item["relpath"] for item in json.loads(data)] == sorted(names)
    assert list(parse_manifest(data, "m")) == sorted(names)


def listing(*paths: object, md5: object = A) -> bytes:
    return json.dumps([{"md5": md5, "relpath": path} for path in paths]).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"not json", b"[1]", b"[[]]", b'[{"md5": 1, "relpath": "a"}]', b'[{"relpath": "a"}]', b"[" * 100_000,
        listing("/etc/passwd"), listing("../up"), listing("a/../../b"), listing("a//b"), listing(""), listing("./a"),
        listing("a\0b"), listing("a", "a"), listing("a", "a/b"), listing("a/b/c", "a"), listing(7),
        listing("a", md5=A + ".dir"), listing("a", md5="../../x"), listing("a", md5=A.upper()),
    ],
)  # fmt: skip
def test_hostile_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match=r"^m: not a directory manifest"):
        parse_manifest(data, "m")


@pytest.mark.parametrize(
    "data", [b"", b"a\r\nb\n", b"\0\r\n", b"x" * 3_000_000, "\u00e9\r\n".encode() * 40, b"ab\r\n" * 600_000]
)
def test_stream_and_bytes_agree(data: bytes) -> None:
    assert hash_stream(io.BytesIO(data)) == (hashlib.md5(data).hexdigest(), len(data))
    assert hash_stream(io.BytesIO(data), legacy=True) == (hash_bytes(data, legacy=True), len(data))


def test_legacy_hash_ignores_line_ends_of_text_only() -> None:
    assert hash_bytes(b"a\r\nb\r\n", legacy=True) == hash_bytes(b"a\nb\n")
    assert hash_bytes(b"a\0\r\n", legacy=True) == hash_bytes(b"a\0\r\n")
    split = b"x" * ((1 << 20) - 1) + b"\r\n"
    assert hash_bytes(split, legacy=True) == hash_bytes(split), "a pair across two chunks is not seen, as in DVC"
