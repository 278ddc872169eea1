"""Experiments whose cells are trained one by one, by any number of processes, into a file that later runs add to."""
