"""Where the images of a label file come from: a folder, a zip or a tar, none of them trusted."""
