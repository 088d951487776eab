"""Studies as a whole: what one will cost, its record, its verification, the simulation of the rule."""
