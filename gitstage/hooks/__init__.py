"""What each Git hook does. `python -m gitstage.hooks NAME ARGS` runs one; see verdict.py, restore.py and installer.py."""
