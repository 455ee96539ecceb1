"""One module per verb: parse, call one function of the core, render."""
