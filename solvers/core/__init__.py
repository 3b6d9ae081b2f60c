"""Vocabulary of the program: units, errors, parameters, structures, jobs. Knows no physics."""
