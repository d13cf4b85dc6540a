"""Readers, one module a format; each says from a file's first bytes whether it is meant."""
