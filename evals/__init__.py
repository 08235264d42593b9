"""How well the product reads AI's part in a pull request: labeled cases, and a table
of what was found and what was not.
"""
