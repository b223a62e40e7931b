"""What a flow is made of: one stage a file, a thin Prefect task over the library."""
