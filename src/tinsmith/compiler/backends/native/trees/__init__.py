"""Tree ensembles: models as tables, kernels in C."""
