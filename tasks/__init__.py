"""What a flow is made of: one stage a file, a thin Prefect task over the library."""

from secateur.layout import check_installation

check_installation(__file__)
