"""From scans as they come to scale-ready maps in one space: gate, mask, bias field, registration, scaling."""
