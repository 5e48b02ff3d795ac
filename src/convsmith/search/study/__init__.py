"""A search that any number of processes on any number of machines work on, and that loses nothing when one is killed.

store   where it is kept: SQLite or another database, by Optuna's storage
claims  which worker has which trial: the one thing that must never be said of two
study   the trials: claimed, finished, read
plan    what a study is: space, budget, data, recipe, searcher, seed; who is asked for the next member
worker  the loop: claim, train, finish
"""
