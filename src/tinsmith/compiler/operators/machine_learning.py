"""machine_learning"""
