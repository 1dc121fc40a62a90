"""What is used of AWS: nothing here is imported unless a setting names it."""
