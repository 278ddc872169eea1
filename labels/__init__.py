"""Label files and the images they name: readers, writers, and the on-disk formats of known data sets."""
