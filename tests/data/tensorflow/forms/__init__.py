"""The operators of TensorFlow in their forms: each function adds its cases."""
