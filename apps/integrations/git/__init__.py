"""A local clone or bare repository as a source of pull requests, read with the git command line. No database here."""
