"""How pages write dates and times: to the second, with the zone."""
