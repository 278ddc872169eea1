"""Training on confidence labels: noise, losses, networks, the loop, evaluation and export. The only room with torch."""
