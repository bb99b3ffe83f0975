"""The explorer: a local web page that links codes to their place in the brain."""
