"""Any program: recorded runs swept by a checker that is a program of its own, in any language."""
