"""The command ``lookalike``: mounts the other rooms' commands, and holds those that need two rooms."""
