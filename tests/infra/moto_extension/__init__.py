"""What moto's CloudFormation lacks for this project's stacks, and what of it is only pretended.

A type that moto has an API for is made by calls of that API (`recipes`), so that what a template
says can be read back with boto3. A type that it has none for is a stub: its properties are checked
against AWS's own schema, and its name is listed, so that nobody takes it for tried.
"""
