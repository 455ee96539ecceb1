"""What each Git hook does: gate.py and verdict.py refuse commits, restore.py brings outputs along, installer.py installs.

A hook file starts `run_hook` of __main__.py, without click, so that it starts fast.
"""
