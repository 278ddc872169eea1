"""Import of ONNX models that were made elsewhere: read, wrapped, checked, calibrated and published."""
