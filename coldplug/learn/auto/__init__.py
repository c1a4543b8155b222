"""Several learners weighed by what they are worth on users and items set aside, and those that help, as one learner.

suit.py       which learners are tried on which data, and why the others are not
carve.py      users and items set aside from the training, and how good a learner is for them
weigh.py      how much each counts, by the size of the support and by known or new item; who helps beyond noise
learner.py    the door: fit, score, to_state, from_state, add_items
"""
