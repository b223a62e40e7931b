"""After the cut, without labels or training: what is left is made to give what the whole gave."""
