"""The root of the errors that are written for the person who gets them."""


class LookalikeError(Exception):
    """Something can't be done as asked; the message names the place and the cure.

    Commands print it and exit with 1, the service answers with a problem document; anything else is a defect.
    """
