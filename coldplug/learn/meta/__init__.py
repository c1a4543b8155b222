"""Learners trained on episodes: each a network that scores items for a user it has only just met.

content.py    graph and text -> one dense row an item, the same for items old and new
tasks.py      users -> episodes, a support and a query, as padded arrays with masks
losses.py     multinomial for clicks, squared error for ratings
network.py    item vectors, and what every network is
settings.py   settings that all of them share
learner.py    the door: fit, score, to_state, from_state, add_items, and the one training loop

Then one file a method: from the root of it all (what the features say) to adaptation by gradient.

proto.py      prototypes of what was liked and what was not

The modules import torch; each is imported when its method is asked for, by its name in coldplug.learn.METHODS.
"""
