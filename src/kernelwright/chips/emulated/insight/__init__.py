"""Seeing where time went: counters, the bound, sentences, trace events."""
