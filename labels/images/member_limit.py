"""How large one image file may be, counted while it is read: headers lie."""

MAX_IMAGE_BYTES = 64 * 2**20
