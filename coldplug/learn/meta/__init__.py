"""Learners trained on episodes: each a network that scores items for a user it has only just met.

content.py    graph and text -> one dense row an item, the same for items old and new
tasks.py      users -> episodes, a support and a query, as padded arrays with masks
losses.py     multinomial for clicks, squared error for ratings
network.py    item vectors, and what every network is
settings.py   settings that all of them share
learner.py    the door: fit, score, to_state, from_state, add_items, and the one training loop
fisher.py     how much the users of a training settled each weight; update.py goes on training without them

Then one file a method, from the root of it all (what the features say) to adaptation by gradient:

zeroshot.py, zeroshot_proto.py   attributes and content in one space, and prototypes of attribute groups; no support
mf.py                            matrix completion: alternating least squares, fold-in, regressions
dropoutnet.py                    a network over those factors that learns to do without them
twotower.py                      features of the user, features of the item, a cosine
proto.py                         prototypes of what was liked and of what was not
matching.py                      attention of an item over the support
mecos.py                         a sequence encoder over the support
maml.py                          maml, fomaml and melu: steps of gradient on the support; inner.py takes them, vectorised
metakg.py                        what all share of the graph, and what each user takes from it; the user as a relation of it
maml_gru.py                      a GRU that carries the adaptation from click to click

The modules import torch; each is imported when its method is asked for, by its name in coldplug.learn.METHODS.
"""
