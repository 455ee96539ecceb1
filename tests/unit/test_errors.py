"""The documented exit codes and the classes agree."""

from gitstage import errors


def codes(kind: type) -> set[int]:
    return {kind.exit_code} | {code for sub in kind.__subclasses__() for code in codes(sub)}


def test_every_code_is_documented_and_every_documented_code_exists() -> None:
    assert codes(errors.GitstageError) == set(errors.EXIT_CODES) - {0}


def test_a_format_error_names_file_and_line() -> None:
    assert str(errors.FormatError("dvc.yaml", "must be a mapping", 3)) == "dvc.yaml:3: must be a mapping"
    assert str(errors.FormatError("dvc.yaml", "must be a mapping")) == "dvc.yaml: must be a mapping"
