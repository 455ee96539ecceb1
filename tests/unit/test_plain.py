"""What is written without YAML must be what YAML reads there."""

from __future__ import annotations

from gitstage.formats import parse_dvc
from gitstage.formats.plain import plain_dvc
from gitstage.static import Any


def test_the_value_is_what_the_text_says() -> None:
    md5 = "d3b07384d113edec49eaa6238ad5ff00"
    values: list[dict[str, Any]] = [
        {"outs": [{"md5": md5, "size": 4, "hash": "md5", "path": "a"}]},
        {"outs": [{"md5": f"{md5}.dir", "size": 0, "nfiles": 0, "hash": "md5", "path": "dir-1.b/c_d"}]},
        {"outs": [{"md5": md5, "size": 4, "isexec": True, "hash": "md5", "path": "a"}, {"md5": md5, "path": "Null.x"}]},
    ]
    for value in values:
        text = plain_dvc(value)
        assert text is not None
        read = parse_dvc(text, "x.dvc")
        assert read == value and [list(out) for out in read["outs"]] == [list(out) for out in value["outs"]]
    for odd in ("1e5", "true", "a b", "0x10", "12:30", "~", "é", "a: b", "x" * 80):
        assert plain_dvc({"outs": [{"md5": md5, "path": odd}]}) is None
