"""Clients of other makers: what points each at the tools, as text. Nothing here starts one."""
