"""How long a network will take on a machine: units of work, a table of what they took, and a model that adds them up.

units     what of a network runs as one piece
roofline  what a unit should take by arithmetic and memory alone
nearby    what measured units tell of one that was not
table     what units took inside whole networks on one machine, a file that belongs to its user
model     the latency of networks that were never run, with the error of such predictions
cover     which members of a space to measure so that all its units are seen
profile   the measuring
"""
