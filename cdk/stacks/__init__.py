"""What is deployed and deleted together."""
