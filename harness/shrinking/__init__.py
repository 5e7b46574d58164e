"""Smaller cases with the same verdict: of a saved case, a history, a program that ran outside."""
