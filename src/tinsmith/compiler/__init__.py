"""How: a pure program from a work directory to a tarball and a report."""

from tinsmith.compiler.on_demand import install

install()
