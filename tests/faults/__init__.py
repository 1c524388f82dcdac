"""`make faults`: what is killed, refused by the disk, damaged, fed nonsense and raced, and what must hold then."""
