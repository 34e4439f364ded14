"""What the claims about speed, memory, disk and kills rest on. The tests use `kills` and `storage`,
which measure no time."""
