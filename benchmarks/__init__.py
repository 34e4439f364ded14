"""What the claims about speed rest on. Nothing here runs with the tests."""
