"""The layers, one family a file; each file ends with its `NODES`."""
