"""Three lines of Python: load a model, score two items for a user it has never met.

python examples/score_unseen_user.py demo/model f019 b018
"""

import sys

import coldplug

plug = coldplug.load(sys.argv[1])
scores = plug.score({"age": 27, "occupation": "engineer"}, sys.argv[2:])
print(*(f"{item}: {score:.3f}" for item, score in zip(sys.argv[2:], scores, strict=True)), sep="\n")
