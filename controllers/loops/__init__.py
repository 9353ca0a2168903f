"""Thin asynchronous shells around pure functions: read, decide, write."""
