"""What people look at: the flow's comment, the content views, the length of the flow list."""
