"""What runs where the training happens: in the worker process, or in this one when a callable was given."""
