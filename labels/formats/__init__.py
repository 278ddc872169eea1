"""The file formats of label files: reading them without guessing, writing them whole."""
