"""Is what a state of the files records what came of these very files? Of the index, of a commit, of a merge.

`judge` compares one state of one project; `history` goes through commits; `merged` finds records that a merge made up.
"""
