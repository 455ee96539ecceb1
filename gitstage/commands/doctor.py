"""`git stage doctor`."""

from __future__ import annotations

from gitstage.cli import DISPATCHED
from gitstage.options import option, verb, volume


@verb()
@option("--json", "as_json", is_flag=True, help="Print JSON.")
@volume
def command(as_json: bool, quiet: bool, verbose: int) -> int:
    """Check that hooks, dispatcher, merge driver and cache do what they should.

    Says what mends each thing that is wrong, and then exits with 1; with -q it says only those.
    """
    from gitstage import doctor
    from gitstage.commands.shim import programs
    from gitstage.ui import Ui, health

    findings = doctor.examine(DISPATCHED, programs())
    ok = all(found.level != doctor.WRONG for found in findings)
    ui = Ui(quiet=quiet, verbose=bool(verbose))
    if as_json:
        ui.json({"ok": ok, "findings": health.as_json(findings)})
    else:
        health.as_text(ui, [found for found in findings if not quiet or found.level == doctor.WRONG])
    return 0 if ok else 1
