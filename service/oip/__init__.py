"""The Open Inference Protocol v2 under ``/v2``, with Triton's extensions.

KServe's ``open-inference-protocol`` has the specification; Triton's server has that of the extensions
``binary_tensor_data``, ``classification`` and ``model_repository`` (``docs/protocol``).
"""
