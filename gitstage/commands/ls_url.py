"""`git stage ls-url`, which is also called `list-url`."""

from __future__ import annotations

from gitstage.options import argument, option, verb, volume


@verb()
@option("-R", "--recursive", is_flag=True, help="Also what lies in directories.")
@option("-T", "--tree", is_flag=True, help="As a tree.")
@option("-L", "--level", least=0, metavar="DEPTH", help="How deep to go with -R and -T.")
@option("--size", is_flag=True, help="Also show sizes.")
@volume
@argument("url")
def command(url: str, recursive: bool, tree: bool, level: int | None, size: bool, quiet: bool, verbose: int) -> None:
    """List what lies at URL, a path or an address as of `git stage import-url`. No project is needed."""
    from gitstage import imports
    from gitstage.contents import Item
    from gitstage.ui import Ui
    from gitstage.ui import contents as shown

    ui = Ui(quiet=quiet, verbose=bool(verbose))
    listing = imports.listing(url)
    if listing is None:
        named = [(url, Item(url, False))]
    elif tree:
        named = list(shown.tree(listing, listing.item(""), url, level, outs_only=False))
    elif level == 0:
        named = [(url, listing.item(""))]
    else:
        named = [(item.path, item) for item in listing.below("", level if recursive else 1)]
    shown.as_text(ui, named, sizes=size, hashes=False)
