"""A language model labels a few well-chosen items, a small extractor learns from them and reads the rest.

The way of a run: `choosing` takes items that lie far apart (farthest-point on sentence vectors) and the teacher reads
them; the student (`student`) is trained on what it said; items of which the student is most in doubt are read by the
teacher too and the student is trained again; it reads everything, and hands back to the teacher what it is still in
doubt of, as long as the budget (`budget`) lasts. `teaching` is the extractor that does all this.
"""
