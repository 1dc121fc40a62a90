"""PostgreSQL: the tables, one store a file, and the unit of work over them."""
