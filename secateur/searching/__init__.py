"""Search: how much of what to remove, found out within a budget.

What is decided before anything trains: `sensitivity` (the effect of each layer alone), `waypoints`
(from the dense model to the smallest, with what each costs), `prediction`. What decides: the
strategies, which are asked for candidates and told how good they are, and `noise`.
"""
