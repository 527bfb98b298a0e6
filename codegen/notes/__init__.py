"""The lecture notes as data, and the order in which their sections stand."""
