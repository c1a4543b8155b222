"""Encoders: what is known of users and items as vectors, before there is any interaction to learn from."""
