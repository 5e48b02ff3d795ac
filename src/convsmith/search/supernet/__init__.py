"""One training for all members of a space: their weights are slices of shared ones.

shared  the weights, and members that run on them
train   the sandwich rule with in-place distillation
judge   a member's accuracy with its slice, its normalisations' statistics measured anew
"""
