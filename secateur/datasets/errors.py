"""What is raised of data that cannot be used."""


class DataError(ValueError):
    """One sentence on a user's data: they cannot be read, or no model can be trained on them.

    Commands end with exit code 2 on it, as on bad parameters: nothing was trained yet.
    """
