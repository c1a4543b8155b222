"""A trained model behind HTTP, told in the order in which a request meets it.

server.py    where it listens, who may, and how it starts, swaps models and stops
guard.py     what is turned away before it costs anything; request ids, time-outs, the log
bodies.py    what may be asked, and what is answered
app.py       the addresses, each a few lines around the model
told.py      what can be looked up in the model: items by their titles, attributes of users
metrics.py   what is counted
page.html    the page to try it, with script.html

The model in memory is a `coldplug.online.Swappable`: swapped and added to in one step, under those who are asking it.
"""

from coldplug.serve.app import create_app
from coldplug.serve.guard import Limits
from coldplug.serve.server import serve

__all__ = ["Limits", "create_app", "serve"]
