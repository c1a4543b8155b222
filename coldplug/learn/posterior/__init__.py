"""The default learner: a prior from attributes, a posterior from the support, item vectors that carry over to new items.

profiles.py   interactions -> graded profiles over the anchors, the items with enough positives
moments.py    closed form: expected profile given attributes and a random support of the size at hand
episodes.py   trained: Gaussian prior and posterior of a user vector, item vectors to score with
features.py   graph, text and embeddings -> one kernel a relation
relevance.py  how much each relation counts; vectors of new items predicted from those of the anchors
association.py  which items are liked together, pair by pair
blend.py      how much each part of the score counts, from held-out users and items
learner.py    all of it behind fit and score
memory.py     how much the users settled each weight; update.py goes on training without them
"""

from coldplug.learn.posterior.learner import Posterior

__all__ = ["Posterior"]
