"""What each Git hook does: verdict.py refuses commits, restore.py brings outputs along, installer.py puts hooks in place.

A hook file starts `run_hook` of __main__.py, without click, so that it starts fast.
"""
