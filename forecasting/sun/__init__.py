"""PV stations with their own sensors: reading and cleaning their record, and what they will give in the next hours."""
