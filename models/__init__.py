"""What a model is: its manifest, similarity groups, and the numpy that turns logits into an answer.

The networks themselves are in ``training/networks.py``. Nothing here imports torch, fastapi or onnxruntime.
"""
