"""What others published, as data: read from the tables beside this module, and shown beside what a study found."""
